using UnityEngine;
using UnityEngine.Rendering;

namespace Myocast.Unity
{
    /// <summary>
    /// Makes a material that the current render pipeline can draw. A material of another pipeline is drawn in magenta.
    /// Main thread only.
    /// </summary>
    public static class HandMaterial
    {
        private static readonly Color Skin = new Color(0.87f, 0.66f, 0.53f);

        /// <summary>Whether the current pipeline draws a material.</summary>
        public static bool Fits(Material material)
        {
            if (material == null || material.shader == null || !material.shader.isSupported)
                return false;
            var builtIn = material.shader.name == "Standard" || material.shader.name.StartsWith("Legacy Shaders/");
            var scriptable = material.shader.name.StartsWith("Universal Render Pipeline/")
                || material.shader.name.StartsWith("HDRP/");
            return GraphicsSettings.currentRenderPipeline == null ? !scriptable : !builtIn;
        }

        /// <summary>A skin-coloured lit material; null if its shader is not in this build.</summary>
        public static Material Create()
        {
            var shader = LitShader(GraphicsSettings.currentRenderPipeline);
            return shader == null ? null : new Material(shader) { name = "Myocast skin", color = Skin };
        }

        private static Shader LitShader(RenderPipelineAsset pipeline)
        {
            if (pipeline == null)
                return Shader.Find("Standard");
            return pipeline.defaultShader != null ? pipeline.defaultShader : Shader.Find("Universal Render Pipeline/Lit");
        }
    }
}
