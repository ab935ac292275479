using UnityEngine;

namespace Myocast.Unity
{
    /// <summary>
    /// The hand as the 26 joints of OpenXR and Unity's XR Hands, in metres in Unity's axes, relative to the wrist. All on
    /// the main thread.
    /// </summary>
    [AddComponentMenu("Myocast/Hand XR Joints")]
    public sealed class HandXrJoints : MonoBehaviour
    {
        [Tooltip("Empty: the client on this object or above it")]
        [SerializeField] private MyocastClient client;
        [Tooltip("Which armband, from 0")]
        [SerializeField] private int device;

        private readonly Vector3[] positions = new Vector3[XrHand.Joints];
        private readonly Quaternion[] rotations = new Quaternion[XrHand.Joints];

        /// <summary>Where poses come from.</summary>
        public MyocastClient Client { get { return client; } set { client = value; } }
        /// <summary>Index of the armband.</summary>
        public int Device { get { return device; } set { device = value; } }
        /// <summary>Positions in OpenXR's order (palm first), metres. Filled again by each pose.</summary>
        public Vector3[] Positions => positions;
        /// <summary>Rotations in OpenXR's order: +Z along the bone, +Y out of the back of the hand.</summary>
        public Quaternion[] Rotations => rotations;
        /// <summary>Whether it is a left hand.</summary>
        public bool Left { get; private set; }
        /// <summary>Whether a pose has come.</summary>
        public bool Tracked { get; private set; }

        /// <summary>One joint by its XRHandJointID (Wrist = 1, Palm = 2, ThumbMetacarpal = 3 ...); false if there is no
        /// such joint, or no pose yet.</summary>
        public bool TryGet(int unityJointId, out Vector3 position, out Quaternion rotation)
        {
            for (var j = 0; j < XrHand.Joints; j++)
            {
                if (XrHand.ToUnityJointId(j) != unityJointId)
                    continue;
                position = positions[j];
                rotation = rotations[j];
                return Tracked;
            }
            position = Vector3.zero;
            rotation = Quaternion.identity;
            return false;
        }

        /// <summary>Takes a pose; those of the client are taken without a call.</summary>
        public void Show(HandPose pose)
        {
            if (pose.Device != device)
                return;
            XrHand.Fill(pose.Joints, pose.Left, positions, rotations);
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
