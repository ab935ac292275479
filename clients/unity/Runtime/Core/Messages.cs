using System;

namespace Myocast
{
    /// <summary>One pose of one hand. It is made once and filled again and again.</summary>
    public sealed class HandPose
    {
        /// <summary>Number of the pose since the server started; a jump = poses that did not come here.</summary>
        public uint Seq;
        /// <summary>Index of the newest EMG sample used.</summary>
        public ulong Sample;
        /// <summary>Time of exactly that sample, Unix seconds on the server's clock.</summary>
        public double T;
        /// <summary>Milliseconds from that sample's arrival in the server to the encoding of the message.</summary>
        public float AgeMs;
        public float InferMs;
        /// <summary>Windows skipped just before this one because a newer one was due.</summary>
        public uint Skipped;
        public int Device;
        public bool Left;
        public bool Held;
        /// <summary>The first pose after a gap or a seek.</summary>
        public bool Gap;
        public bool HasTruth;
        public bool HasConfidence;
        /// <summary>0..1, only where HasConfidence.</summary>
        public float Confidence;
        /// <summary>When this process read the message (Clock.Now).</summary>
        public double Received;
        /// <summary>63 values, x y z of each point in mm; frame `hand`: origin at the wrist, -Z along the hand,
        /// +Y out of its back, right-handed.</summary>
        public readonly float[] Joints = new float[Hand.Values];
        /// <summary>The hand's true pose, only where HasTruth.</summary>
        public readonly float[] Truth = new float[Hand.Values];

        public void CopyFrom(HandPose other)
        {
            Seq = other.Seq;
            Sample = other.Sample;
            T = other.T;
            AgeMs = other.AgeMs;
            InferMs = other.InferMs;
            Skipped = other.Skipped;
            Device = other.Device;
            Left = other.Left;
            Held = other.Held;
            Gap = other.Gap;
            HasTruth = other.HasTruth;
            HasConfidence = other.HasConfidence;
            Confidence = other.Confidence;
            Received = other.Received;
            Buffer.BlockCopy(other.Joints, 0, Joints, 0, 4 * Hand.Values);
            if (other.HasTruth)
                Buffer.BlockCopy(other.Truth, 0, Truth, 0, 4 * Hand.Values);
        }
    }

    /// <summary>Consecutive EMG samples of one armband. Filled again for every message.</summary>
    public sealed class Emg
    {
        public int Device;
        /// <summary>Index of the first row.</summary>
        public ulong Sample;
        /// <summary>Time of the first row, Unix seconds on the server's clock.</summary>
        public double T;
        public float RateHz;
        public int Rows;
        /// <summary>Rows x 8 values, row by row, in the unit that the hello names.</summary>
        public float[] Samples = new float[64 * Hand.Channels];

        public Emg Copy()
        {
            var copy = (Emg)MemberwiseClone();
            copy.Samples = (float[])Samples.Clone();
            return copy;
        }
    }

    /// <summary>One inertial sample: quaternion w x y z, acceleration in g, angular rate in degrees per second.</summary>
    public sealed class Imu
    {
        public int Device;
        public double T;
        public readonly float[] Quaternion = new float[4];
        public readonly float[] AccelerationG = new float[3];
        public readonly float[] GyroDps = new float[3];
    }

    /// <summary>How an armband and this client's connection are doing.</summary>
    public sealed class Status
    {
        public int Device;
        public double T;
        /// <summary>connecting, live, stalled, reconnecting, replay, paused, ended or failed.</summary>
        public string State = "";
        public double RateHz;
        public long Lost;
        /// <summary>Percent, or -1 while it is not known.</summary>
        public int Battery = -1;
        public int Clients;
        public long Dropped;
        /// <summary>The recording's name, or null while nothing is recorded.</summary>
        public string Recording;
        public double RecordingSeconds;
        public long RecordingBytes;
        public bool Replay;
        public double ReplayPosition;
        public double ReplayDuration;
        public double ReplaySpeed;
        public bool ReplayLoop;
        /// <summary>What is wrong, or null.</summary>
        public string ErrorCode;
        public string ErrorMessage;
    }

    /// <summary>One armband and what is made of it. Fields are empty or 0 while not known.</summary>
    public sealed class DeviceInfo
    {
        public bool Known;
        public string Uri = "";
        public string Name = "";
        public int Channels;
        public double RateHz;
        public string Unit = "";
        public string EmgMode = "";
        public string Hand = "";
        public bool HasModel;
        public string Model = "";
        public string ModelSha256 = "";
        public string ModelKind = "";
        public int Window;
        public int Hop;
        public double ModelRateHz;
        public long Parameters;
        public bool HasPose;
        public int Points;
        public string Order = "";
        public string PoseUnit = "";
        public string Frame = "";
        public double PoseRateHz;
    }

    /// <summary>What the stream carries. It comes first, and again whenever something in it changes.</summary>
    public sealed class Hello
    {
        public string Protocol = "";
        public string Server = "";
        /// <summary>New at each start of the server; the same after a reconnect: Seq and Sample go on.</summary>
        public string Session = "";
        public double T;
        public string Encoding = "";
        public string[] Streams = new string[0];
        /// <summary>One per armband.</summary>
        public DeviceInfo[] Devices = new DeviceInfo[0];
    }

    /// <summary>The server could not use a message of ours.</summary>
    public sealed class Fault
    {
        public string Code = "";
        public string Message = "";
    }
}
