using UnityEngine;

namespace Myocast.Unity
{
    /// <summary>From frame `hand` (right-handed, millimetres) to Unity's space (left-handed, metres).</summary>
    public static class HandSpace
    {
        public const float MetresPerMm = 0.001f;

        /// <summary>Point `index` of 63 values in mm.</summary>
        public static Vector3 Point(float[] values, int index)
        {
            return new Vector3(values[3 * index], values[3 * index + 1], -values[3 * index + 2]) * MetresPerMm;
        }

        /// <summary>Point `index` of positions in metres, OpenXR axes.</summary>
        public static Vector3 Metres(float[] values, int index)
        {
            return new Vector3(values[3 * index], values[3 * index + 1], -values[3 * index + 2]);
        }

        /// <summary>Quaternion `index` of x y z w values, OpenXR axes.</summary>
        public static Quaternion Rotation(float[] values, int index)
        {
            return new Quaternion(-values[4 * index], -values[4 * index + 1], values[4 * index + 2], values[4 * index + 3]);
        }
    }
}
