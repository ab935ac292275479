using UnityEngine;

namespace Myocast.Unity
{
    /// <summary>Moves 21 transforms with the hand: their local positions are the points, in metres. All on the main
    /// thread.</summary>
    [AddComponentMenu("Myocast/Hand Skeleton")]
    public sealed class HandSkeleton : MonoBehaviour
    {
        [Tooltip("Empty: the client on this object or above it")]
        [SerializeField] private MyocastClient client;
        [Tooltip("Which armband, from 0")]
        [SerializeField] private int device;
        [Tooltip("Show the true pose, where the session has one")]
        [SerializeField] private bool truth;
        [Tooltip("In MediaPipe's order, wrist first. Empty: children are made")]
        [SerializeField] private Transform[] joints = new Transform[Hand.Points];

        /// <summary>Where poses come from.</summary>
        public MyocastClient Client { get { return client; } set { client = value; } }
        /// <summary>Index of the armband.</summary>
        public int Device { get { return device; } set { device = value; } }
        /// <summary>Whether the true pose is shown, where the session has one.</summary>
        public bool Truth { get { return truth; } set { truth = value; } }
        /// <summary>The 21 transforms in MediaPipe's order, the wrist first.</summary>
        public Transform[] Joints { get { return joints; } }

        /// <summary>Makes a child for each point that has no transform yet.</summary>
        [ContextMenu("Create joints")]
        public void CreateJoints()
        {
            if (joints == null || joints.Length != Hand.Points)
                System.Array.Resize(ref joints, Hand.Points);
            for (var i = 0; i < Hand.Points; i++)
            {
                if (joints[i] != null)
                    continue;
                joints[i] = new GameObject(Hand.Names[i]).transform;
                joints[i].SetParent(transform, false);
            }
        }

        /// <summary>Shows a pose; those of the client are shown without a call.</summary>
        public void Show(HandPose pose)
        {
            if (pose.Device != device || (truth && !pose.HasTruth))
                return;
            var values = truth ? pose.Truth : pose.Joints;
            for (var i = 0; i < Hand.Points; i++)
                if (joints[i] != null)
                    joints[i].localPosition = HandSpace.Point(values, i);
        }

        private void OnEnable()
        {
            CreateJoints();
            if (client == null)
                client = GetComponentInParent<MyocastClient>();
            if (client != null)
                client.PoseChanged += Show;
            else
                Debug.LogWarning("Myocast: this hand has no client; add a Myocast Client to this object or above it, or "
                    + "call Show", this);
        }

        private void OnDisable()
        {
            if (client != null)
                client.PoseChanged -= Show;
        }
    }
}
