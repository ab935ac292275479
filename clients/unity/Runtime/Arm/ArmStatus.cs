using System;
using System.Linq;
using Newtonsoft.Json;
using Newtonsoft.Json.Linq;

namespace Myocast
{
    /// <summary>What a status says about the wearer's arm: how the band sits on it, what is learned from labels, what the
    /// electrodes show, and labels of the hand. See docs/protocol.md#alignment, #personal-fit, #signal and #label-status.</summary>
    public sealed class ArmStatus
    {
        /// <summary>How the band sits on the arm: none, running, done or failed; empty if the server does not say.</summary>
        public string Alignment = "";
        /// <summary>What the wearer is asked to do now (rest, fist ...), and prepare or hold; null while nothing runs.</summary>
        public string AlignmentCue, AlignmentPhase;
        /// <summary>Seconds until the cue is over.</summary>
        public double AlignmentLeft;
        /// <summary>Why the cue is asked for again, or why the alignment failed; null if neither.</summary>
        public string AlignmentAgain, AlignmentError;
        /// <summary>Whether a result is known and poses are made with it.</summary>
        public bool AlignmentApplied;
        /// <summary>How far the band is turned, in degrees.</summary>
        public double AlignmentTurn;
        /// <summary>What is learned from labels: none, learning, ready or failed; empty if the server does not say.</summary>
        public string Personal = "";
        /// <summary>Seconds of labels.</summary>
        public double PersonalSeconds;
        /// <summary>Mean error of the angles on seconds held back, degrees, before and after; null before there are any.</summary>
        public double? PersonalBefore, PersonalAfter;
        /// <summary>Milliseconds by which labels were brought forward; null while that is not known.</summary>
        public double? PersonalLag;
        /// <summary>Why learning failed, or null.</summary>
        public string PersonalError;
        /// <summary>Each channel, from 1: good, flat, railed, noisy, hum or copy, and what to do; empty while not known.</summary>
        public string[] SignalStates = new string[0], SignalHints = new string[0];
        /// <summary>Labels of the hand: waiting, coming or missing; empty where none came and none are expected.</summary>
        public string Labels = "";
        /// <summary>What they come from, and why there are none (empty while they come).</summary>
        public string LabelsSource = "", LabelsMessage = "";
        /// <summary>Milliseconds by which they are later than the EMG; null while that is not known.</summary>
        public double? LabelsLag;
        /// <summary>The pose that the wearer is asked for; null where nobody is asked.</summary>
        public string PromptPose;
        /// <summary>How much of it a ghost hand makes now, and will at the end of the movement, 0..1.</summary>
        public double PromptNow, PromptLevel;
        /// <summary>The ghost hand: 63 numbers as in a pose; empty where nobody is asked.</summary>
        public float[] PromptJoints = new float[0];

        /// <summary>Reads it out of a status that the stream brought.</summary>
        /// <returns>Null if the message does not keep to the protocol.</returns>
        public static ArmStatus Read(Status status)
        {
            try
            {
                return Read(JObject.Parse(status.Json));
            }
            catch (Exception error) when (error is JsonException || error is ArgumentException
                || error is InvalidCastException || error is FormatException)
            {
                return null;
            }
        }

        private static ArmStatus Read(JObject json) => new ArmStatus
        {
            Alignment = Text(json, "alignment.state") ?? "", AlignmentCue = Text(json, "alignment.cue"),
            AlignmentPhase = Text(json, "alignment.phase"), AlignmentLeft = Number(json, "alignment.left_s") ?? 0,
            AlignmentAgain = Text(json, "alignment.again.message"), AlignmentError = Text(json, "alignment.error.message"),
            AlignmentApplied = (bool?)json.SelectToken("alignment.applied") ?? false,
            AlignmentTurn = Number(json, "alignment.result.turn_deg") ?? 0, Personal = Text(json, "personal.state") ?? "",
            PersonalSeconds = Number(json, "personal.seconds") ?? 0,
            PersonalBefore = Number(json, "personal.before.angle_mae_deg"),
            PersonalAfter = Number(json, "personal.after.angle_mae_deg"),
            PersonalLag = Number(json, "personal.lag_ms"),
            PersonalError = Text(json, "personal.error.message"), SignalStates = Channels(json, "state"),
            SignalHints = Channels(json, "hint"), Labels = Text(json, "labels.state") ?? "",
            LabelsSource = Text(json, "labels.source") ?? "", LabelsMessage = Text(json, "labels.message") ?? "",
            LabelsLag = Number(json, "labels.lag_ms"), PromptPose = Text(json, "labels.prompt.pose"),
            PromptNow = Number(json, "labels.prompt.now") ?? 0, PromptLevel = Number(json, "labels.prompt.level") ?? 0,
            PromptJoints = json.SelectTokens("labels.prompt.joints[*]").Select(value => (float)value).ToArray(),
        };

        private static string Text(JObject json, string path) => (string)json.SelectToken(path);
        private static double? Number(JObject json, string path) => (double?)json.SelectToken(path);
        private static string[] Channels(JObject json, string key) =>
            json.SelectTokens("signal.channels[*]." + key).Select(value => (string)value ?? "").ToArray();
    }
}
