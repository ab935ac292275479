using UnityEngine;

namespace Myocast.Unity
{
    /// <summary>
    /// Draws the hand as rounded bones, without a model: one mesh, whose vertices follow the points. A renderer without a
    /// material that the render pipeline can draw gets one. All on the main thread.
    /// </summary>
    [AddComponentMenu("Myocast/Hand Mesh")]
    [RequireComponent(typeof(MeshFilter), typeof(MeshRenderer))]
    public sealed class HandMesh : MonoBehaviour
    {
        private const int Sides = 10, Rings = 4, PerBone = Sides * 2 * Rings;
        // Pairs of points: the bones, and the line of the knuckles.
        private static readonly int[] Ends = MakeEnds();
        private static readonly int Bones = Ends.Length / 2;

        [Tooltip("Empty: the client on this object or above it")]
        [SerializeField] private MyocastClient client;
        [Tooltip("Which armband, from 0")]
        [SerializeField] private int device;
        [Tooltip("Show the true pose, where the session has one")]
        [SerializeField] private bool truth;
        [Tooltip("Half the thickness of a finger, metres")]
        [SerializeField] private float radius = 0.008f;

        private readonly Vector3[] vertices = new Vector3[Bones * PerBone];
        private readonly Vector3[] normals = new Vector3[Bones * PerBone];
        private Mesh mesh;

        /// <summary>Where poses come from.</summary>
        public MyocastClient Client { get { return client; } set { client = value; } }
        /// <summary>Index of the armband.</summary>
        public int Device { get { return device; } set { device = value; } }
        /// <summary>Whether the true pose is shown, where the session has one.</summary>
        public bool Truth { get { return truth; } set { truth = value; } }
        /// <summary>Half the thickness of a finger, metres.</summary>
        public float Radius { get { return radius; } set { radius = value; } }

        /// <summary>Shows a pose; those of the client are shown without a call.</summary>
        public void Show(HandPose pose)
        {
            if (mesh == null || pose.Device != device || (truth && !pose.HasTruth))
                return;
            var values = truth ? pose.Truth : pose.Joints;
            for (var bone = 0; bone < Bones; bone++)
                Capsule(bone, HandSpace.Point(values, Ends[2 * bone]), HandSpace.Point(values, Ends[2 * bone + 1]));
            mesh.vertices = vertices;
            mesh.normals = normals;
            mesh.RecalculateBounds();
        }

        private static int[] MakeEnds()
        {
            var knuckles = new[] { 5, 9, 9, 13, 13, 17, 1, 5 };
            var ends = new int[2 * (Hand.Points - 1) + knuckles.Length];
            for (var i = 1; i < Hand.Points; i++)
            {
                ends[2 * i - 2] = Hand.Parents[i];
                ends[2 * i - 1] = i;
            }
            knuckles.CopyTo(ends, 2 * (Hand.Points - 1));
            return ends;
        }

        /// <summary>Two half balls; the last ring of one and the first of the other make the tube.</summary>
        private void Capsule(int bone, Vector3 from, Vector3 to)
        {
            var along = (to - from).normalized;
            var side = Vector3.Cross(along, Mathf.Abs(along.y) < 0.9f ? Vector3.up : Vector3.right).normalized;
            var up = Vector3.Cross(along, side);
            var at = bone * PerBone;
            for (var ring = 0; ring < 2 * Rings; ring++)
            {
                var half = ring < Rings ? 0 : 1;
                var angle = Mathf.PI / 2f * (half == 0 ? 1f - ring / (Rings - 1f) : (ring - Rings) / (Rings - 1f));
                var centre = half == 0 ? from : to;
                var axial = (half == 0 ? -1f : 1f) * Mathf.Sin(angle);
                for (var s = 0; s < Sides; s++, at++)
                {
                    var turn = 2f * Mathf.PI * s / Sides;
                    var outward = Mathf.Cos(angle) * (Mathf.Cos(turn) * side + Mathf.Sin(turn) * up) + axial * along;
                    normals[at] = outward;
                    vertices[at] = centre + radius * outward;
                }
            }
        }

        private static int[] Triangles()
        {
            var triangles = new int[Bones * (2 * Rings - 1) * Sides * 6];
            var at = 0;
            for (var bone = 0; bone < Bones; bone++)
                for (var ring = 0; ring < 2 * Rings - 1; ring++)
                    for (var s = 0; s < Sides; s++)
                    {
                        var here = bone * PerBone + ring * Sides;
                        int a = here + s, b = here + (s + 1) % Sides;
                        // Unity draws clockwise triangles.
                        triangles[at++] = a;
                        triangles[at++] = b;
                        triangles[at++] = a + Sides;
                        triangles[at++] = b;
                        triangles[at++] = b + Sides;
                        triangles[at++] = a + Sides;
                    }
            return triangles;
        }

        private void OnEnable()
        {
            mesh = new Mesh { name = "Myocast hand" };
            mesh.MarkDynamic();
            mesh.vertices = vertices;
            mesh.triangles = Triangles();
            GetComponent<MeshFilter>().sharedMesh = mesh;
            EnsureMaterial(GetComponent<MeshRenderer>());
            if (client == null)
                client = GetComponentInParent<MyocastClient>();
            if (client != null)
                client.PoseChanged += Show;
        }

        private void OnDisable()
        {
            if (client != null)
                client.PoseChanged -= Show;
            Destroy(mesh);
            mesh = null;
        }

        private void EnsureMaterial(MeshRenderer target)
        {
            if (HandMaterial.Fits(target.sharedMaterial))
                return;
            var material = HandMaterial.Create();
            if (material != null)
                target.sharedMaterial = material;
            else
                Debug.LogWarning("Myocast: this build has no lit shader for the hand, because no material in it uses one; "
                    + "assign a material of your render pipeline to the Mesh Renderer", this);
        }
    }
}
