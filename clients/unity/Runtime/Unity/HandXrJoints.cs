using UnityEngine;

namespace Myocast.Unity
{
    /// <summary>The hand as the 26 joints of OpenXR and Unity's XR Hands, in Unity's space, relative to the wrist.</summary>
    [AddComponentMenu("Myocast/Hand XR Joints")]
    public sealed class HandXrJoints : MonoBehaviour
    {
        [Tooltip("Empty: the client on this object or above it.")]
        [SerializeField] private MyocastClient client;
        [SerializeField] private int device;

        private readonly float[] positions = new float[3 * XrHand.Joints];
        private readonly float[] rotations = new float[4 * XrHand.Joints];
        private readonly Vector3[] unityPositions = new Vector3[XrHand.Joints];
        private readonly Quaternion[] unityRotations = new Quaternion[XrHand.Joints];

        public MyocastClient Client { get { return client; } set { client = value; } }
        public int Device { get { return device; } set { device = value; } }
        /// <summary>In OpenXR's order, palm first.</summary>
        public Vector3[] Positions { get { return unityPositions; } }
        public Quaternion[] Rotations { get { return unityRotations; } }
        public bool Left { get; private set; }
        /// <summary>Whether a pose has come.</summary>
        public bool Tracked { get; private set; }

        /// <summary>One joint by its XRHandJointID (Wrist = 1, Palm = 2, ThumbMetacarpal = 3 ...).</summary>
        public bool TryGet(int unityJointId, out Vector3 position, out Quaternion rotation)
        {
            for (var j = 0; j < XrHand.Joints; j++)
            {
                if (XrHand.ToUnityJointId(j) != unityJointId)
                    continue;
                position = unityPositions[j];
                rotation = unityRotations[j];
                return Tracked;
            }
            position = Vector3.zero;
            rotation = Quaternion.identity;
            return false;
        }

        /// <summary>Shows a pose; done by itself for those of the client.</summary>
        public void Show(HandPose pose)
        {
            if (pose.Device != device)
                return;
            XrHand.Fill(pose.Joints, pose.Left, positions, rotations);
            for (var j = 0; j < XrHand.Joints; j++)
            {
                unityPositions[j] = HandSpace.Metres(positions, j);
                unityRotations[j] = HandSpace.Rotation(rotations, j);
            }
            Left = pose.Left;
            Tracked = true;
        }

        private void OnEnable()
        {
            if (client == null)
                client = GetComponentInParent<MyocastClient>();
            if (client != null)
                client.PoseChanged += Show;
        }

        private void OnDisable()
        {
            if (client != null)
                client.PoseChanged -= Show;
            Tracked = false;
        }
    }
}
