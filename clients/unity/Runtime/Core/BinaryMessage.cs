using System;

namespace Myocast
{
    /// <summary>A message that breaks the protocol.</summary>
    internal sealed class DecodeException : Exception
    {
        public DecodeException(string message) : base(message) { }
    }

    /// <summary>Decodes the binary messages of `myocast.v1` without allocating. BitConverter has the byte order of the
    /// processor, which is the protocol's (little-endian) on all that Unity builds for.</summary>
    internal static class BinaryMessage
    {
        private const int PoseBytes = 296, PoseWithTruthBytes = 548, EmgHeadBytes = 32, EmgRowBytes = 4 * Hand.Channels;
        private const int LeftFlag = 1, HeldFlag = 2, GapFlag = 4, TruthFlag = 8, ConfidenceFlag = 16;

        /// <summary>Pose, Emg, or Unknown for a kind or version that this client does not know.</summary>
        public static MessageKind Kind(byte[] data, int start, int count)
        {
            if (count < 4)
                throw new DecodeException("a binary message of " + count + " bytes");
            byte kind = data[start], version = data[start + 1];
            return version == 1 && kind == 1 ? MessageKind.Pose
                : version == 1 && kind == 2 ? MessageKind.Emg : MessageKind.Unknown;
        }

        public static void ReadPose(byte[] data, int start, int count, HandPose pose)
        {
            var flags = BitConverter.ToUInt16(data, start + 2);
            if (count != ((flags & TruthFlag) != 0 ? PoseWithTruthBytes : PoseBytes))
                throw new DecodeException("a pose of " + count + " bytes with flags " + flags);
            pose.Left = (flags & LeftFlag) != 0;
            pose.Held = (flags & HeldFlag) != 0;
            pose.Gap = (flags & GapFlag) != 0;
            pose.HasTruth = (flags & TruthFlag) != 0;
            pose.HasConfidence = (flags & ConfidenceFlag) != 0;
            pose.Seq = BitConverter.ToUInt32(data, start + 4);
            pose.Sample = BitConverter.ToUInt64(data, start + 8);
            pose.T = BitConverter.ToDouble(data, start + 16);
            pose.AgeMs = BitConverter.ToSingle(data, start + 24);
            pose.InferMs = BitConverter.ToSingle(data, start + 28);
            pose.Skipped = BitConverter.ToUInt32(data, start + 32);
            pose.Device = data[start + 36];
            Buffer.BlockCopy(data, start + 40, pose.Joints, 0, 4 * Hand.Values);
            pose.Confidence = pose.HasConfidence ? BitConverter.ToSingle(data, start + 292) : 0f;
            if (pose.HasTruth)
                Buffer.BlockCopy(data, start + 296, pose.Truth, 0, 4 * Hand.Values);
        }

        public static void ReadEmg(byte[] data, int start, int count, Emg emg)
        {
            var rows = BitConverter.ToUInt16(data, start + 2);
            if (count != EmgHeadBytes + EmgRowBytes * rows)
                throw new DecodeException(rows + " rows of EMG in " + count + " bytes");
            emg.Device = data[start + 4];
            emg.Sample = BitConverter.ToUInt64(data, start + 8);
            emg.T = BitConverter.ToDouble(data, start + 16);
            emg.RateHz = BitConverter.ToSingle(data, start + 24);
            emg.Resize(rows);
            Buffer.BlockCopy(data, start + EmgHeadBytes, emg.Samples, 0, EmgRowBytes * rows);
        }
    }
}
