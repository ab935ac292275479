using System;

// Values that messages carry. They have no thread: those that are filled again belong to the thread that receives, and
// CopyFrom or Copy gives another thread its own.
namespace Myocast
{
    /// <summary>One pose of one hand. The decoder fills the same object again and again.</summary>
    public sealed class HandPose
    {
        /// <summary>Index of the armband.</summary>
        public int Device;
        /// <summary>Number of the pose since the server started (a jump = poses that did not come to this client), and
        /// how many windows were skipped just before it because a newer one was due.</summary>
        public uint Seq, Skipped;
        /// <summary>Index of the newest EMG sample used, from 0.</summary>
        public ulong Sample;
        /// <summary>Unix seconds: of exactly that sample, on the server's clock; and when this process received the
        /// message, on this computer's clock (Clock.Now).</summary>
        public double T, Received;
        /// <summary>Milliseconds: age at the server, from that sample's arrival there to the encoding of the message; and
        /// what the model took of it.</summary>
        public float AgeMs, InferMs;
        /// <summary>A left hand; the last pose repeated, for lack of a signal; the first one after a gap or a seek;
        /// whether Truth, and whether Confidence, is set.</summary>
        public bool Left, Held, Gap, HasTruth, HasConfidence;
        /// <summary>0..1, only where HasConfidence.</summary>
        public float Confidence;
        /// <summary>63 values, x y z of each point in mm; frame `hand`: origin at the wrist, -Z along the hand,
        /// +Y out of its back, right-handed.</summary>
        public readonly float[] Joints = new float[Hand.Values];
        /// <summary>The hand's true pose like Joints, only where HasTruth.</summary>
        public readonly float[] Truth = new float[Hand.Values];

        /// <summary>Takes over all values of another pose; allocates nothing.</summary>
        public void CopyFrom(HandPose other)
        {
            Device = other.Device;
            Seq = other.Seq;
            Skipped = other.Skipped;
            Sample = other.Sample;
            T = other.T;
            Received = other.Received;
            AgeMs = other.AgeMs;
            InferMs = other.InferMs;
            Left = other.Left;
            Held = other.Held;
            Gap = other.Gap;
            HasTruth = other.HasTruth;
            HasConfidence = other.HasConfidence;
            Confidence = other.Confidence;
            other.Joints.CopyTo(Joints, 0);
            other.Truth.CopyTo(Truth, 0);
        }
    }

    /// <summary>Consecutive EMG samples of one armband. The decoder fills the same object again and again.</summary>
    public sealed class Emg
    {
        /// <summary>Index of the armband, and how many rows there are.</summary>
        public int Device, Rows;
        /// <summary>Index of the first row, from 0.</summary>
        public ulong Sample;
        /// <summary>Time of the first row, Unix seconds on the server's clock.</summary>
        public double T;
        /// <summary>Rows per second.</summary>
        public float RateHz;
        /// <summary>Rows x 8 values, row by row, in the unit that the hello names (DeviceInfo.Unit).</summary>
        public float[] Samples = new float[64 * Hand.Channels];

        /// <summary>An independent copy.</summary>
        public Emg Copy()
        {
            var copy = (Emg)MemberwiseClone();
            copy.Samples = (float[])Samples.Clone();
            return copy;
        }

        internal void Resize(int rows)
        {
            Rows = rows;
            if (Samples.Length < rows * Hand.Channels)
                Array.Resize(ref Samples, 2 * rows * Hand.Channels);
        }
    }

    /// <summary>One inertial sample of one armband.</summary>
    public sealed class Imu
    {
        /// <summary>Index of the armband.</summary>
        public int Device;
        /// <summary>Unix seconds on the server's clock.</summary>
        public double T;
        /// <summary>Orientation, w x y z.</summary>
        public readonly float[] Quaternion = new float[4];
        /// <summary>Acceleration x y z in g, and angular rate x y z in degrees per second.</summary>
        public readonly float[] AccelerationG = new float[3], GyroDps = new float[3];
    }

    /// <summary>The state of an armband and of this client's connection.</summary>
    public sealed class Status
    {
        /// <summary>Index of the armband, and how many clients the server has.</summary>
        public int Device, Clients;
        /// <summary>Charge in percent, or -1 while it is not known.</summary>
        public int Battery = -1;
        /// <summary>Unix seconds on the server's clock.</summary>
        public double T;
        /// <summary>connecting, live, stalled, reconnecting, replay, paused, ended or failed.</summary>
        public string State = "";
        /// <summary>EMG samples per second, as measured.</summary>
        public double RateHz;
        /// <summary>EMG samples lost so far, and messages that this client lost because it was slow.</summary>
        public long Lost, Dropped;
        /// <summary>The recording's name, or null while nothing is recorded.</summary>
        public string Recording;
        /// <summary>Length of the recording so far, seconds.</summary>
        public double RecordingSeconds;
        /// <summary>Size of the recording so far, bytes.</summary>
        public long RecordingBytes;
        /// <summary>Whether a recording is played, and whether it starts again at its end.</summary>
        public bool Replay, ReplayLoop;
        /// <summary>Where it is and how long it is, seconds; how many times faster than real time it is played.</summary>
        public double ReplayPosition, ReplayDuration, ReplaySpeed;
        /// <summary>The code of what is wrong and a sentence about it, or null.</summary>
        public string ErrorCode, ErrorMessage;
        /// <summary>The whole message as JSON, also with what has no field here; see ArmStatus for some of it.</summary>
        public string Json = "{}";
    }

    /// <summary>One armband and what is made of its signal. Fields are empty or 0 while not known.</summary>
    public sealed class DeviceInfo
    {
        /// <summary>Whether the armband, its model and its poses are known: the fields of each below.</summary>
        public bool Known, HasModel, HasPose;
        /// <summary>The armband: URI, name, unit (adc or uV), mode (raw, filtered, envelope), left or right.</summary>
        public string Uri = "", Name = "", Unit = "", EmgMode = "", Hand = "";
        /// <summary>EMG samples per second: the armband's, and what the model expects; and poses per second.</summary>
        public double RateHz, ModelRateHz, PoseRateHz;
        /// <summary>The model: name, SHA-256 of its file, window or stream.</summary>
        public string Model = "", ModelSha256 = "", ModelKind = "";
        /// <summary>EMG channels; EMG samples that the model looks at (0 for a stream) and between two poses; points in a
        /// pose.</summary>
        public int Channels, Window, Hop, Points;
        /// <summary>How the signal is brought to the model's level, where it has another rate or unit: the factor (0 where
        /// not), and "running level", "alignment" or "?gain=".</summary>
        public double Gain;
        public string GainFrom;
        /// <summary>Weights of the model.</summary>
        public long Parameters;
        /// <summary>The poses: order of their points, unit, frame, and the filter behind the model (empty for none).</summary>
        public string Order = "", PoseUnit = "", Frame = "", Filter = "";
        /// <summary>Of the filter: Hz for a resting hand, Hz more for each mm/s, low-passes, ms by which it delays.</summary>
        public double FilterMinCutoffHz, FilterBeta, FilterStages, FilterLagMs;
        /// <summary>Milliseconds by which a pose is behind the hand, all in all; negative if ahead, null if not known.</summary>
        public double? PoseLagMs;
    }

    /// <summary>What the stream carries. It comes first, and again whenever something in it changes.</summary>
    public sealed class Hello
    {
        /// <summary>Version of the protocol, version of the server, and json or binary.</summary>
        public string Protocol = "", Server = "", Encoding = "";
        /// <summary>New at each start of the server. The same after a reconnect: Seq and Sample go on.</summary>
        public string Session = "";
        /// <summary>Unix seconds on the server's clock.</summary>
        public double T;
        /// <summary>What this client is subscribed to.</summary>
        public string[] Streams = new string[0];
        /// <summary>One entry per armband.</summary>
        public DeviceInfo[] Devices = new DeviceInfo[0];
    }

    /// <summary>The server could not use a message of this client.</summary>
    public sealed class Fault
    {
        /// <summary>The code of the reason, and a sentence about it.</summary>
        public string Code = "", Message = "";
    }
}
