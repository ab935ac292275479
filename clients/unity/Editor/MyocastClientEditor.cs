using System.Collections.Generic;
using System.Globalization;
using Myocast.Unity;
using UnityEditor;
using UnityEngine;

namespace Myocast.EditorTools
{
    /// <summary>The inspector of Myocast Client: its fields, and while playing what it receives.</summary>
    [CustomEditor(typeof(MyocastClient))]
    internal sealed class MyocastClientEditor : UnityEditor.Editor
    {
        public override bool RequiresConstantRepaint() { return Application.isPlaying; }

        public override void OnInspectorGUI()
        {
            DrawDefaultInspector();
            if (!Application.isPlaying)
                return;
            var client = (MyocastClient)target;
            EditorGUILayout.Space();
            EditorGUILayout.LabelField("Connection", client.State.ToString());
            var devices = client.Hello == null ? 0 : client.Hello.Devices.Length;
            for (var device = 0; device < devices; device++)
                foreach (var row in Rows(client, device))
                    EditorGUILayout.LabelField(row.Key, row.Value);
            if (client.ConnectionError.Length > 0)
                EditorGUILayout.HelpBox(client.ConnectionError, MessageType.Warning);
        }

        /// <summary>Name and value of what is known about one armband.</summary>
        private static IEnumerable<KeyValuePair<string, string>> Rows(MyocastClient client, int device)
        {
            var info = client.Hello.Devices[device];
            var status = client.Status(device);
            yield return Row("Armband " + device, info.Known ? info.Name : "not connected yet");
            if (status != null)
            {
                yield return Row("    State", status.State);
                yield return Row("    Signal", Number(status.RateHz, "0.0", "samples/s"));
                if (status.ErrorMessage != null)
                    yield return Row("    Error", status.ErrorMessage);
            }
            var pose = client.Pose(device);
            if (pose == null)
                yield break;
            yield return Row("    Pose", (pose.Left ? "left" : "right") + " hand, number " + pose.Seq);
            yield return Row("    Age at the server", Number(pose.AgeMs, "0.0", "ms"));
            var latency = client.Latency(pose);
            if (latency.HasValue)
                yield return Row("    Latency here", Number(1000 * latency.Value, "0", "ms"));
        }

        private static KeyValuePair<string, string> Row(string name, string value)
        {
            return new KeyValuePair<string, string>(name, value);
        }

        private static string Number(double value, string format, string unit)
        {
            return value.ToString(format, CultureInfo.InvariantCulture) + " " + unit;
        }
    }
}
