using System;

namespace Myocast
{
    /// <summary>
    /// The 26 joints of OpenXR (XR_EXT_hand_tracking) from the 21 points: the palm and four metacarpals are put where
    /// anatomy has them, and every joint gets a rotation from its bone.
    /// </summary>
    public static class XrHand
    {
        public const int Joints = 26;
        public const int Palm = 0, Wrist = 1;
        /// <summary>A metacarpal begins this far along the way from the wrist to its knuckle.</summary>
        private const float Carpal = 0.2f;
        private const float MetresPerMm = 0.001f;

        /// <summary>The point that each OpenXR joint is; -1 where it is made from others.</summary>
        public static readonly int[] Points =
        {
            -1, 0, 1, 2, 3, 4, -1, 5, 6, 7, 8, -1, 9, 10, 11, 12, -1, 13, 14, 15, 16, -1, 17, 18, 19, 20,
        };

        /// <summary>Unity's XRHandJointID has the wrist first, the palm second, and counts from 1.</summary>
        public static int ToUnityJointId(int openXr)
        {
            return openXr == Palm ? 2 : openXr == Wrist ? 1 : openXr + 1;
        }

        /// <summary>Fills both arrays; allocates nothing.</summary>
        /// <param name="joints">63 values in mm, frame `hand`.</param>
        /// <param name="positions">26 x 3 in metres, OpenXR axes (right-handed), relative to the wrist joint.</param>
        /// <param name="rotations">26 x 4, quaternions x y z w: -Z along the bone, +Y out of the back of the hand.</param>
        public static void Fill(float[] joints, bool left, float[] positions, float[] rotations)
        {
            if (joints.Length < Hand.Values || positions.Length < 3 * Joints || rotations.Length < 4 * Joints)
                throw new ArgumentException("63 values in, 78 and 104 out");
            for (var j = 0; j < Joints; j++)
                Place(joints, j, positions);
            Unit(rotations, Palm);
            Unit(rotations, Wrist);
            for (var j = 2; j < Joints; j++)
            {
                var tip = j == 5 || (j > 5 && j % 5 == 0);
                Turn(positions, tip ? j - 1 : j, j < 6, left, rotations, j);
            }
        }

        private static void Place(float[] joints, int j, float[] positions)
        {
            var point = Points[j];
            for (var axis = 0; axis < 3; axis++)
            {
                float value;
                if (point >= 0)
                    value = joints[3 * point + axis];
                else
                {
                    // The palm is the middle of the middle finger's metacarpal.
                    var knuckle = joints[3 * (j == Palm ? 9 : Points[j + 1]) + axis];
                    var share = j == Palm ? (Carpal + 1) / 2 : Carpal;
                    value = joints[axis] + share * (knuckle - joints[axis]);
                }
                positions[3 * j + axis] = value * MetresPerMm;
            }
        }

        private static void Unit(float[] rotations, int j)
        {
            rotations[4 * j] = rotations[4 * j + 1] = rotations[4 * j + 2] = 0f;
            rotations[4 * j + 3] = 1f;
        }

        /// <summary>The rotation of the bone that begins at joint `bone`, for joint `j`.</summary>
        private static void Turn(float[] positions, int bone, bool thumb, bool left, float[] rotations, int j)
        {
            float zx = positions[3 * bone] - positions[3 * bone + 3];
            float zy = positions[3 * bone + 1] - positions[3 * bone + 4];
            float zz = positions[3 * bone + 2] - positions[3 * bone + 5];
            if (!Normalize(ref zx, ref zy, ref zz))
            {
                Unit(rotations, j);
                return;
            }
            // The axis that the finger bends about; the thumb's lies across the palm.
            float xx = thumb ? 0.63f : 1f, xy = thumb ? (left ? -0.63f : 0.63f) : 0f, xz = thumb ? (left ? 0.45f : -0.45f) : 0f;
            var along = xx * zx + xy * zy + xz * zz;
            xx -= along * zx;
            xy -= along * zy;
            xz -= along * zz;
            if (!Normalize(ref xx, ref xy, ref xz))
            {
                Unit(rotations, j);
                return;
            }
            float yx = zy * xz - zz * xy, yy = zz * xx - zx * xz, yz = zx * xy - zy * xx;
            ToQuaternion(xx, yx, zx, xy, yy, zy, xz, yz, zz, rotations, 4 * j);
        }

        private static bool Normalize(ref float x, ref float y, ref float z)
        {
            var length = (float)Math.Sqrt(x * x + y * y + z * z);
            if (length < 1e-6f)
                return false;
            x /= length;
            y /= length;
            z /= length;
            return true;
        }

        /// <summary>A rotation matrix, row by row, as a quaternion (Shepperd's method).</summary>
        private static void ToQuaternion(
            float m00, float m01, float m02, float m10, float m11, float m12, float m20, float m21, float m22,
            float[] into, int at)
        {
            var trace = m00 + m11 + m22;
            float x, y, z, w;
            if (trace > 0f)
            {
                var s = 2f * (float)Math.Sqrt(1f + trace);
                w = s / 4f; x = (m21 - m12) / s; y = (m02 - m20) / s; z = (m10 - m01) / s;
            }
            else if (m00 > m11 && m00 > m22)
            {
                var s = 2f * (float)Math.Sqrt(1f + m00 - m11 - m22);
                w = (m21 - m12) / s; x = s / 4f; y = (m01 + m10) / s; z = (m02 + m20) / s;
            }
            else if (m11 > m22)
            {
                var s = 2f * (float)Math.Sqrt(1f + m11 - m00 - m22);
                w = (m02 - m20) / s; x = (m01 + m10) / s; y = s / 4f; z = (m12 + m21) / s;
            }
            else
            {
                var s = 2f * (float)Math.Sqrt(1f + m22 - m00 - m11);
                w = (m10 - m01) / s; x = (m02 + m20) / s; y = (m12 + m21) / s; z = s / 4f;
            }
            into[at] = x; into[at + 1] = y; into[at + 2] = z; into[at + 3] = w;
        }
    }
}
