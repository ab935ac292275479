using UnityEngine;

namespace Myocast.Unity
{
    /// <summary>
    /// Turns the bones of a skinned hand. Each bone keeps its own length and place in the rig; only rotations follow the
    /// points. The rig's pose when the component is enabled is its rest pose and must be an open hand. All on the main
    /// thread.
    /// </summary>
    [AddComponentMenu("Myocast/Hand Rig")]
    public sealed class HandRig : MonoBehaviour
    {
        private const int IndexKnuckle = 5, MiddleKnuckle = 9, PinkyKnuckle = 17;

        [Tooltip("Empty: the client on this object or above it")]
        [SerializeField] private MyocastClient client;
        [Tooltip("Which armband, from 0")]
        [SerializeField] private int device;
        [Tooltip("The bones in MediaPipe's order, the wrist first. What is empty is found by name; fingertips may stay so")]
        [SerializeField] private Transform[] bones = new Transform[Hand.Points];
        [Tooltip("Turn the wrist bone, too. The stream does not know where the arm points, so usually not")]
        [SerializeField] private bool turnWrist;

        private readonly Vector3[] points = new Vector3[Hand.Points];
        private readonly Quaternion[] toBone = new Quaternion[Hand.Points];
        private Quaternion restWrist;
        private bool ready;

        /// <summary>Where poses come from.</summary>
        public MyocastClient Client { get { return client; } set { client = value; } }
        /// <summary>Index of the armband.</summary>
        public int Device { get { return device; } set { device = value; } }
        /// <summary>The rig's 21 bones in MediaPipe's order, the wrist first; fingertips may be null.</summary>
        public Transform[] Bones { get { return bones; } set { bones = value; } }
        /// <summary>Whether the wrist bone is turned, too.</summary>
        public bool TurnWrist { get { return turnWrist; } set { turnWrist = value; } }

        /// <summary>Fills the empty slots of Bones from below this object, by name; see HandBones.</summary>
        /// <returns>What keeps the rig from working, in one line; empty if nothing does.</returns>
        public string FindBones()
        {
            if (bones == null || bones.Length != Hand.Points)
                System.Array.Resize(ref bones, Hand.Points);
            return HandBones.Fill(transform, bones);
        }

        /// <summary>Takes the rig's present pose as its rest pose. False if bones are missing.</summary>
        public bool TakeRestPose()
        {
            ready = false;
            for (var i = 0; i < Hand.Points; i++)
            {
                if (bones[i] != null)
                    points[i] = bones[i].position;
                else if (IsTip(i))
                    points[i] = 2f * points[i - 1] - points[i - 2];
                else
                    return false;
            }
            restWrist = Quaternion.Inverse(HandFrame()) * bones[0].rotation;
            for (var i = 0; i < Hand.Points; i++)
                if (bones[i] != null)
                    toBone[i] = Quaternion.Inverse(BoneFrame(i)) * bones[i].rotation;
            ready = true;
            return true;
        }

        /// <summary>Shows a pose; those of the client are shown without a call.</summary>
        public void Show(HandPose pose)
        {
            if (!ready || pose.Device != device)
                return;
            for (var i = 0; i < Hand.Points; i++)
                points[i] = HandSpace.Point(pose.Joints, i);
            // From the points' frame to where the rig's hand is.
            var toWorld = turnWrist
                ? transform.rotation
                : bones[0].rotation * Quaternion.Inverse(restWrist) * Quaternion.Inverse(HandFrame());
            if (turnWrist)
                bones[0].rotation = toWorld * HandFrame() * restWrist;
            for (var i = 1; i < Hand.Points; i++)
                if (bones[i] != null && !IsTip(i))
                    bones[i].rotation = toWorld * BoneFrame(i) * toBone[i];
        }

        private static bool IsTip(int i) { return i > 0 && i % 4 == 0; }

        private Vector3 Across() { return points[PinkyKnuckle] - points[IndexKnuckle]; }

        private Quaternion HandFrame()
        {
            var along = points[MiddleKnuckle] - points[0];
            return Quaternion.LookRotation(along, Vector3.Cross(along, Across()));
        }

        /// <summary>Looks along the bone that begins at a point, with the axis it bends about to its side.</summary>
        private Quaternion BoneFrame(int i)
        {
            if (i == 0)
                return HandFrame();
            var along = IsTip(i) ? points[i] - points[i - 1] : points[i + 1] - points[i];
            // A finger never points along the knuckles, nor the thumb out of the palm.
            return i > 4
                ? Quaternion.LookRotation(along, Vector3.Cross(along, Across()))
                : Quaternion.LookRotation(along, Vector3.Cross(points[MiddleKnuckle] - points[0], Across()));
        }

        private void OnEnable()
        {
            if (client == null)
                client = GetComponentInParent<MyocastClient>();
            var problem = FindBones();
            if (problem.Length > 0)
                Debug.LogError("Myocast: " + problem, this);
            else if (TakeRestPose() && client != null)
                client.PoseChanged += Show;
        }

        // The editor calls this when the component is added.
        [ContextMenu("Find bones by name")]
        private void Reset()
        {
            var problem = FindBones();
            if (problem.Length > 0)
                Debug.LogWarning("Myocast: " + problem, this);
        }

        private void OnDisable()
        {
            if (client != null)
                client.PoseChanged -= Show;
        }
    }
}
