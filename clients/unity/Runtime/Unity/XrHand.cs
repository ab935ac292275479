using System;
using Myocast.Unity;
using UnityEngine;

namespace Myocast
{
    /// <summary>
    /// The 26 joints of OpenXR (XR_EXT_hand_tracking) from the 21 points. The palm and four metacarpals, which are not
    /// among the points, are placed by anatomy, and every joint gets a rotation from its bone. Call it from any thread.
    /// </summary>
    public static class XrHand
    {
        /// <summary>How many joints OpenXR has, and the indices of its first two.</summary>
        public const int Joints = 26, Palm = 0, Wrist = 1;
        // A metacarpal begins this far along the way from the wrist to its knuckle.
        private const float MetacarpalStart = 0.2f;
        // The palm is the middle of the middle finger's metacarpal.
        private const float PalmCentre = (MetacarpalStart + 1) / 2;
        // What a finger bends about; the thumb's axis lies across the palm. For a right hand.
        private static readonly Vector3 FingerAxis = Vector3.right, ThumbAxis = new Vector3(0.63f, 0.63f, 0.45f);

        /// <summary>The index of the point that each OpenXR joint is; -1 where it is made from others.</summary>
        public static readonly int[] Points =
        {
            -1, 0, 1, 2, 3, 4, -1, 5, 6, 7, 8, -1, 9, 10, 11, 12, -1, 13, 14, 15, 16, -1, 17, 18, 19, 20,
        };

        /// <summary>Unity's XRHandJointID has the wrist first, the palm second, and counts from 1.</summary>
        public static int ToUnityJointId(int openXr) => openXr == Palm ? 2 : openXr == Wrist ? 1 : openXr + 1;

        /// <summary>Fills both arrays; allocates nothing.</summary>
        /// <param name="joints">63 values in mm, frame `hand`.</param>
        /// <param name="left">Whether it is a left hand.</param>
        /// <param name="positions">26 positions in metres, Unity's axes, relative to the wrist.</param>
        /// <param name="rotations">26 rotations: +Z along the bone, +Y out of the back of the hand.</param>
        public static void Fill(float[] joints, bool left, Vector3[] positions, Quaternion[] rotations)
        {
            if (joints.Length < Hand.Values || positions.Length < Joints || rotations.Length < Joints)
                throw new ArgumentException("63 values in, 26 positions and rotations out");
            for (var j = 0; j < Joints; j++)
                positions[j] = Position(joints, j);
            rotations[Palm] = rotations[Wrist] = Quaternion.identity;
            for (var j = 2; j < Joints; j++)
                rotations[j] = IsTip(j) ? rotations[j - 1] : Rotation(positions[j + 1] - positions[j], j < 6, left);
        }

        private static bool IsTip(int joint) => joint >= 5 && joint % 5 == 0;

        private static Vector3 Position(float[] joints, int joint)
        {
            if (Points[joint] >= 0)
                return HandSpace.Point(joints, Points[joint]);
            return joint == Palm
                ? PalmCentre * HandSpace.Point(joints, Points[12])
                : MetacarpalStart * HandSpace.Point(joints, Points[joint + 1]);
        }

        private static Quaternion Rotation(Vector3 along, bool thumb, bool left)
        {
            var axis = thumb ? ThumbAxis : FingerAxis;
            if (thumb && left)
                axis = new Vector3(axis.x, -axis.y, -axis.z);
            var up = Vector3.Cross(along, axis);
            // A bone of no length, or one that points along the axis, has no direction to turn to.
            return up.magnitude > 1e-9f ? Quaternion.LookRotation(along, up) : Quaternion.identity;
        }
    }
}
