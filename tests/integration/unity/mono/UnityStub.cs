// As much of UnityEngine as the package uses, so that its components compile and run under mono. The mathematics are
// Unity's: left-handed, Y up, LookRotation with Z forward.
using System;
using System.Collections.Generic;

namespace UnityEngine
{
    public sealed class AddComponentMenu : Attribute { public AddComponentMenu(string path) { } }
    public sealed class DefaultExecutionOrder : Attribute { public DefaultExecutionOrder(int order) { } }
    public sealed class TooltipAttribute : Attribute { public TooltipAttribute(string text) { } }
    public sealed class SerializeField : Attribute { }
    public sealed class ContextMenu : Attribute { public ContextMenu(string name) { } }
    public enum RuntimeInitializeLoadType { BeforeSceneLoad }
    public sealed class RuntimeInitializeOnLoadMethod : Attribute
    {
        public RuntimeInitializeOnLoadMethod(RuntimeInitializeLoadType when) { }
    }
    public sealed class RequireComponent : Attribute { public RequireComponent(Type a, Type b) { } }

    public class Object
    {
        public string name = "";
        public static void Destroy(Object what) { }
        public override string ToString() { return name; }
    }

    public class Component : Object
    {
        public GameObject gameObject { get; internal set; }
        public Transform transform { get { return gameObject.transform; } }
        public T GetComponent<T>() where T : Component { return gameObject.GetComponent<T>(); }
        public T GetComponentInParent<T>() where T : Component
        {
            for (var at = transform; at != null; at = at.parent)
            {
                var found = at.gameObject.GetComponent<T>();
                if (found != null)
                    return found;
            }
            return null;
        }
    }

    public class MonoBehaviour : Component { }

    public static class Application { public static bool isPlaying; }

    public sealed class GameObject : Object
    {
        private readonly List<Component> components = new List<Component>();
        public readonly Transform transform;

        public GameObject(string name)
        {
            this.name = name;
            transform = AddComponent<Transform>();
            transform.name = name;
        }

        public T AddComponent<T>() where T : Component, new()
        {
            var component = new T { gameObject = this };
            components.Add(component);
            return component;
        }

        public T GetComponentInChildren<T>() where T : Component
        {
            var found = GetComponent<T>();
            for (var i = 0; found == null && i < transform.childCount; i++)
                found = transform.GetChild(i).gameObject.GetComponentInChildren<T>();
            return found;
        }

        public T GetComponent<T>() where T : Component
        {
            foreach (var component in components)
                if (component is T)
                    return (T)component;
            return null;
        }
    }

    public sealed class Transform : Component
    {
        public Transform parent { get; private set; }
        public Vector3 localPosition = Vector3.zero;
        public Quaternion localRotation = Quaternion.identity;

        private readonly List<Transform> children = new List<Transform>();
        public int childCount { get { return children.Count; } }
        public Transform GetChild(int index) { return children[index]; }

        public bool IsChildOf(Transform other)
        {
            return this == other || (parent != null && parent.IsChildOf(other));
        }

        public void SetParent(Transform to, bool worldPositionStays)
        {
            parent = to;
            to.children.Add(this);
        }

        public Vector3 position
        {
            get { return parent == null ? localPosition : parent.position + parent.rotation * localPosition; }
        }

        public Quaternion rotation
        {
            get { return parent == null ? localRotation : parent.rotation * localRotation; }
            set { localRotation = parent == null ? value : Quaternion.Inverse(parent.rotation) * value; }
        }
    }

    public sealed class Mesh : Object
    {
        public Vector3[] vertices { get; set; }
        public Vector3[] normals { get; set; }
        public int[] triangles { get; set; }
        public void MarkDynamic() { }
        public void RecalculateBounds() { }
    }

    public sealed class MeshFilter : Component { public Mesh sharedMesh; }
    public sealed class MeshRenderer : Component { public Material sharedMaterial; }

    public struct Color
    {
        public float r, g, b;
        public Color(float r, float g, float b) { this.r = r; this.g = g; this.b = b; }
    }

    public sealed class Shader : Object
    {
        // The shaders that a build holds.
        public static readonly List<string> Included = new List<string>();
        public bool isSupported = true;
        public static Shader Find(string name) { return Included.Contains(name) ? new Shader { name = name } : null; }
    }

    public sealed class Material : Object
    {
        public Shader shader;
        public Color color;
        public Material(Shader shader) { this.shader = shader; }
    }

    public static class Mathf
    {
        public const float PI = (float)Math.PI;
        public static float Abs(float v) { return Math.Abs(v); }
        public static float Sin(float v) { return (float)Math.Sin(v); }
        public static float Cos(float v) { return (float)Math.Cos(v); }
    }

    public struct Vector3
    {
        public float x, y, z;
        public Vector3(float x, float y, float z) { this.x = x; this.y = y; this.z = z; }
        public static Vector3 zero { get { return new Vector3(0, 0, 0); } }
        public static Vector3 up { get { return new Vector3(0, 1, 0); } }
        public static Vector3 right { get { return new Vector3(1, 0, 0); } }
        public float magnitude { get { return (float)Math.Sqrt(x * x + y * y + z * z); } }
        public Vector3 normalized { get { return magnitude > 1e-9f ? this * (1 / magnitude) : zero; } }
        public static Vector3 operator +(Vector3 a, Vector3 b) { return new Vector3(a.x + b.x, a.y + b.y, a.z + b.z); }
        public static Vector3 operator -(Vector3 a, Vector3 b) { return new Vector3(a.x - b.x, a.y - b.y, a.z - b.z); }
        public static Vector3 operator *(Vector3 a, float k) { return new Vector3(a.x * k, a.y * k, a.z * k); }
        public static Vector3 operator *(float k, Vector3 a) { return a * k; }
        public static Vector3 Cross(Vector3 a, Vector3 b)
        {
            return new Vector3(a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x);
        }
    }

    public struct Quaternion
    {
        public float x, y, z, w;
        public Quaternion(float x, float y, float z, float w) { this.x = x; this.y = y; this.z = z; this.w = w; }
        public static Quaternion identity { get { return new Quaternion(0, 0, 0, 1); } }
        public static Quaternion Inverse(Quaternion q) { return new Quaternion(-q.x, -q.y, -q.z, q.w); }

        public static Quaternion operator *(Quaternion a, Quaternion b)
        {
            return new Quaternion(
                a.w * b.x + a.x * b.w + a.y * b.z - a.z * b.y, a.w * b.y - a.x * b.z + a.y * b.w + a.z * b.x,
                a.w * b.z + a.x * b.y - a.y * b.x + a.z * b.w, a.w * b.w - a.x * b.x - a.y * b.y - a.z * b.z);
        }

        public static Vector3 operator *(Quaternion q, Vector3 v)
        {
            var r = q * new Quaternion(v.x, v.y, v.z, 0) * Inverse(q);
            return new Vector3(r.x, r.y, r.z);
        }

        public static Quaternion LookRotation(Vector3 forward, Vector3 upwards)
        {
            var f = forward.normalized;
            var r = Vector3.Cross(upwards, f).normalized;
            var u = Vector3.Cross(f, r);
            return FromAxes(r, u, f);
        }

        // Shepperd's method: the largest of the four is found first, and the others are divided by it.
        private static Quaternion FromAxes(Vector3 r, Vector3 u, Vector3 f)
        {
            if (r.x + u.y + f.z > 0)
            {
                var s = 2 * (float)Math.Sqrt(1 + r.x + u.y + f.z);
                return new Quaternion((u.z - f.y) / s, (f.x - r.z) / s, (r.y - u.x) / s, s / 4);
            }
            if (r.x > u.y && r.x > f.z)
            {
                var s = 2 * (float)Math.Sqrt(1 + r.x - u.y - f.z);
                return new Quaternion(s / 4, (r.y + u.x) / s, (f.x + r.z) / s, (u.z - f.y) / s);
            }
            if (u.y > f.z)
            {
                var s = 2 * (float)Math.Sqrt(1 - r.x + u.y - f.z);
                return new Quaternion((r.y + u.x) / s, s / 4, (u.z + f.y) / s, (f.x - r.z) / s);
            }
            var last = 2 * (float)Math.Sqrt(1 - r.x - u.y + f.z);
            return new Quaternion((f.x + r.z) / last, (u.z + f.y) / last, last / 4, (r.y - u.x) / last);
        }
    }

    public static class Debug
    {
        public static readonly List<string> Lines = new List<string>();
        public static void LogError(string text, Object where) { Lines.Add("error: " + text); }
        public static void LogWarning(string text, Object where) { Lines.Add("warning: " + text); }
    }
}

namespace UnityEngine.Events
{
    public class UnityEvent
    {
        private Action calls = delegate { };
        public void AddListener(Action call) { calls += call; }
        public void Invoke() { calls(); }
    }

    public class UnityEvent<T>
    {
        private Action<T> calls = delegate { };
        public void AddListener(Action<T> call) { calls += call; }
        public void Invoke(T value) { calls(value); }
    }
}

namespace UnityEngine.Rendering
{
    public sealed class RenderPipelineAsset : Object
    {
        public Shader defaultShader;
        public Material defaultMaterial;
    }

    public static class GraphicsSettings { public static RenderPipelineAsset currentRenderPipeline; }
}

namespace UnityEngine.Scripting
{
    public sealed class AlwaysLinkAssembly : Attribute { }
}
