using System;

namespace Myocast
{
    /// <summary>The newest pose of each armband, handed from the receiving thread to the one that draws. Older poses
    /// are replaced. Any thread may call it; none waits, and nothing is allocated once an armband was seen.</summary>
    public sealed class PoseSlots
    {
        private const int MaxDevices = 256;
        private readonly HandPose[] newest = new HandPose[MaxDevices];
        private readonly long[] counts = new long[MaxDevices];

        /// <summary>Puts a decoded pose into its slot, and returns another to decode the next into.</summary>
        public HandPose Put(HandPose pose)
        {
            if (pose.Device < 0 || pose.Device >= MaxDevices)
                return pose;
            lock (counts)
            {
                var spare = newest[pose.Device];
                newest[pose.Device] = pose;
                counts[pose.Device]++;
                return spare ?? new HandPose();
            }
        }

        /// <summary>Copies the newest pose of an armband, if one came since the caller's last call. `taken` counts how many
        /// had come by then; the caller keeps it, from 0.</summary>
        public bool TryTake(int device, ref long taken, HandPose into)
        {
            if (device < 0 || device >= MaxDevices || Count(device) == taken)
                return false;
            lock (counts)
            {
                taken = counts[device];
                into.CopyFrom(newest[device]);
                return true;
            }
        }

        /// <summary>How many poses of an armband have come.</summary>
        public long Count(int device) { lock (counts) return counts[device]; }
    }
}
