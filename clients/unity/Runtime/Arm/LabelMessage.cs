using System;
using System.Globalization;
using System.Text;
using Newtonsoft.Json;

namespace Myocast
{
    /// <summary>Messages that tell the server what was true of the hand; StreamClient.Send sends them. See
    /// docs/protocol.md#labels-and-markers.</summary>
    public static class LabelMessage
    {
        /// <summary>A label, text JSON: where the hand really was. The server learns from it while a fit runs, and records
        /// it while it records; it answers only what it cannot use, with the fault `bad_label`.</summary>
        /// <param name="t">When it was so, Unix seconds on the server's clock (ServerNow).</param>
        /// <param name="joints">63 values, x y z of each point in mm, in any right-handed frame.</param>
        /// <param name="hand">left or right, as it was seen; empty: the hand that wears the band.</param>
        /// <param name="source">What saw it, like webcam; may be empty.</param>
        /// <param name="device">Index of the armband.</param>
        /// <exception cref="ArgumentException">There are not 63 values, or one is not a number.</exception>
        public static string Joints(double t, float[] joints, string hand = "", string source = "", int device = 0)
        {
            if (joints.Length != Hand.Values)
                throw new ArgumentException("expected " + Hand.Values + " values, got " + joints.Length, nameof(joints));
            var text = new StringBuilder(Start("label", t, device));
            if (!string.IsNullOrEmpty(hand))
                text.Append(",\"hand\":").Append(JsonConvert.ToString(hand));
            text.Append(",\"joints\":[");
            for (var i = 0; i < joints.Length; i++)
            {
                if (float.IsNaN(joints[i]) || float.IsInfinity(joints[i]))
                    throw new ArgumentException("value " + i + " is not a number", nameof(joints));
                text.Append(i == 0 ? "" : ",").Append(joints[i].ToString("0.###", CultureInfo.InvariantCulture));
            }
            text.Append(']');
            if (!string.IsNullOrEmpty(source))
                text.Append(",\"source\":").Append(JsonConvert.ToString(source));
            return text.Append('}').ToString();
        }

        /// <summary>A note for the server's recording, text JSON.</summary>
        /// <param name="t">Unix seconds on the server's clock (ServerNow).</param>
        /// <param name="label">The note.</param>
        /// <param name="device">Index of the armband.</param>
        public static string Marker(double t, string label, int device = 0) =>
            Start("marker", t, device) + ",\"label\":" + JsonConvert.ToString(label) + "}";

        private static string Start(string type, double t, int device) =>
            "{\"type\":\"" + type + "\",\"device\":" + device + ",\"t\":" + t.ToString("R", CultureInfo.InvariantCulture);
    }
}
