// As much of UnityEditor as the package uses, so that its menu entry and inspector compile and run under mono. What an
// inspector draws is in EditorGUILayout.Lines.
using System;
using System.Collections.Generic;
using UnityEngine;

namespace UnityEditor
{
    public sealed class CustomEditor : Attribute { public CustomEditor(Type type) { } }
    public sealed class MenuItem : Attribute
    {
        public readonly string Path;
        public MenuItem(string path, bool validates, int priority) { Path = path; }
    }
    public sealed class MenuCommand { public UnityEngine.Object context; }
    public enum MessageType { Warning }

    public class Editor
    {
        public UnityEngine.Object target;
        public virtual bool RequiresConstantRepaint() { return false; }
        public virtual void OnInspectorGUI() { }
        public bool DrawDefaultInspector() { EditorGUILayout.Lines.Add("(fields)"); return true; }
    }

    public static class EditorGUILayout
    {
        public static readonly List<string> Lines = new List<string>();
        public static void Space() { }
        public static void LabelField(string name, string value) { Lines.Add(name.Trim() + ": " + value); }
        public static void HelpBox(string text, MessageType type) { Lines.Add(type + ": " + text); }
    }

    public static class AssetDatabase
    {
        // The one asset of a project, by its GUID.
        public static string Guid;
        public static GameObject Prefab;
        public static string GUIDToAssetPath(string guid) { return guid == Guid ? "prefab" : ""; }
        public static T LoadAssetAtPath<T>(string path) where T : class { return path == "prefab" ? Prefab as T : null; }
        public static T GetBuiltinExtraResource<T>(string path) where T : class
        {
            return new Material(new Shader { name = "Standard" }) { name = path } as T;
        }
    }

    public static class PrefabUtility
    {
        public static UnityEngine.Object InstantiatePrefab(UnityEngine.Object prefab) { return prefab; }
    }

    public static class GameObjectUtility
    {
        public static void SetParentAndAlign(GameObject child, GameObject parent)
        {
            if (parent != null)
                child.transform.SetParent(parent.transform, false);
        }
    }

    public static class Undo
    {
        public static readonly List<string> Steps = new List<string>();
        public static void RegisterCreatedObjectUndo(UnityEngine.Object what, string name) { Steps.Add(name); }
    }

    public static class Selection { public static UnityEngine.Object activeObject; }
}
