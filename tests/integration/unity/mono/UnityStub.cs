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
    public sealed class RequireComponent : Attribute { public RequireComponent(Type a, Type b) { } }

    public class Object
    {
        public string name = "";
        public static void Destroy(Object what) { }
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

        public void SetParent(Transform to, bool worldPositionStays) { parent = to; }

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
    public sealed class MeshRenderer : Component { }

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
            var w = (float)Math.Sqrt(Math.Max(0, 1 + r.x + u.y + f.z)) / 2;
            var x = (float)Math.Sqrt(Math.Max(0, 1 + r.x - u.y - f.z)) / 2;
            var y = (float)Math.Sqrt(Math.Max(0, 1 - r.x + u.y - f.z)) / 2;
            var z = (float)Math.Sqrt(Math.Max(0, 1 - r.x - u.y + f.z)) / 2;
            return new Quaternion(Copy(x, u.z - f.y), Copy(y, f.x - r.z), Copy(z, r.y - u.x), w);
        }

        private static float Copy(float size, float sign) { return sign < 0 ? -size : size; }
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
