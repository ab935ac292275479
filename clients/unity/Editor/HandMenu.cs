using UnityEditor;
using UnityEngine;
using UnityEngine.Rendering;

namespace Myocast.EditorTools
{
    /// <summary>The menu entry GameObject > Myocast > Hand.</summary>
    internal static class HandMenu
    {
        private const string PrefabGuid = "1471af20fa7549ce845297503b693d13";

        [MenuItem("GameObject/Myocast/Hand", false, 10)]
        private static void CreateHand(MenuCommand command)
        {
            var prefab = AssetDatabase.LoadAssetAtPath<GameObject>(AssetDatabase.GUIDToAssetPath(PrefabGuid));
            var hand = (GameObject)PrefabUtility.InstantiatePrefab(prefab);
            GameObjectUtility.SetParentAndAlign(hand, command.context as GameObject);
            hand.GetComponentInChildren<MeshRenderer>().sharedMaterial = DefaultMaterial();
            Undo.RegisterCreatedObjectUndo(hand, "Create Myocast Hand");
            Selection.activeObject = hand;
        }

        // An asset, so that a build has its shader; a material made at run time could not bring it in.
        private static Material DefaultMaterial()
        {
            var pipeline = GraphicsSettings.currentRenderPipeline;
            return pipeline != null
                ? pipeline.defaultMaterial
                : AssetDatabase.GetBuiltinExtraResource<Material>("Default-Material.mat");
        }
    }
}
