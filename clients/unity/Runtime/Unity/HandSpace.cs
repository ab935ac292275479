using UnityEngine;

namespace Myocast.Unity
{
    /// <summary>From frame `hand` (right-handed, millimetres) to Unity's space (left-handed, metres). Any thread.</summary>
    public static class HandSpace
    {
        /// <summary>Metres in a millimetre.</summary>
        public const float MetresPerMm = 0.001f;

        /// <summary>Point `index` (0..20) of 63 values in mm, as metres in Unity's axes.</summary>
        public static Vector3 Point(float[] values, int index)
        {
            return new Vector3(values[3 * index], values[3 * index + 1], -values[3 * index + 2]) * MetresPerMm;
        }
    }
}
