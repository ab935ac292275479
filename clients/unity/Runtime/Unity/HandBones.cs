using System.Collections.Generic;
using System.Linq;
using System.Text.RegularExpressions;
using UnityEngine;

namespace Myocast.Unity
{
    /// <summary>
    /// Finds the bones of a hand by their names, as OpenXR and XR Hands, WebXR, Mixamo, Oculus, MANO and SMPL-X, Unity's
    /// Humanoid, Unreal, Blender's Rigify, VRM and MediaPipe name them. A name must hold the finger's and either a number
    /// or the name of the bone or joint: `R_IndexProximal`, `mixamorig:RightHandIndex1`, `b_r_index1`, `right_index1`,
    /// `f_index.01.R`, `index_mcp`. Main thread only.
    /// </summary>
    public static class HandBones
    {
        private static readonly Regex Words = new Regex("[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+");
        private static readonly string[] Fingers = { "thumb", "index", "middle", "ring", "pinky" };
        // What the four points of a finger are called. A finger's metacarpal is not among the points; a thumb's is.
        private static readonly string[][] FingerBones =
        {
            new[] { "1", "proximal", "mcp" }, new[] { "2", "intermediate", "pip" }, new[] { "3", "distal", "dip" },
            new[] { "4", "tip", "end" },
        };
        private static readonly string[][] ThumbBones =
        {
            new[] { "1", "metacarpal", "cmc" }, new[] { "2", "proximal", "mcp" }, new[] { "3", "distal", "ip" },
            new[] { "4", "tip", "end" },
        };
        // Unity's Humanoid begins the thumb's names one bone earlier.
        private static readonly string[][] HumanoidThumbBones =
        {
            new[] { "proximal" }, new[] { "intermediate" }, new[] { "distal" }, new[] { "tip", "end" },
        };

        /// <summary>Fills the empty slots of `bones` from below `root`.</summary>
        /// <param name="root">The wrist bone, or an object above one hand.</param>
        /// <param name="bones">21 bones in MediaPipe's order.</param>
        /// <returns>What keeps the rig from working, in one line; empty if nothing does.</returns>
        public static string Fill(Transform root, Transform[] bones)
        {
            if (Enumerable.Range(0, Hand.Points).All(i => bones[i] != null || IsTip(i)))
                return "";
            var all = new List<Transform>();
            Collect(root, all);
            var named = all.Select(bone => new NamedBone(bone)).ToList();
            var fingers = named.Where(bone => bone.Finger >= 0).ToList();
            if (fingers.Any(bone => bone.Left) && fingers.Any(bone => bone.Right))
                return "there are two hands below " + root.name + "; put Hand Rig on the wrist bone of one";
            for (var i = 1; i < Hand.Points; i++)
                if (bones[i] == null)
                    bones[i] = Find(fingers, i);
            if (bones[0] == null)
                bones[0] = FindWrist(named, bones);
            var missing = Enumerable.Range(0, Hand.Points).Where(i => bones[i] == null && !IsTip(i)).ToList();
            return missing.Count == 0
                ? ""
                : "no bone found for " + string.Join(", ", missing.Select(i => Hand.Names[i]))
                    + "; assign it in Hand Rig's Bones";
        }

        private static bool IsTip(int point) => point > 0 && point % 4 == 0;

        private static void Collect(Transform from, List<Transform> into)
        {
            into.Add(from);
            for (var i = 0; i < from.childCount; i++)
                Collect(from.GetChild(i), into);
        }

        private static Transform Find(List<NamedBone> bones, int point)
        {
            var finger = (point - 1) / 4;
            var ofFinger = bones.Where(bone => bone.Finger == finger).ToList();
            var names = finger > 0 ? FingerBones
                : ofFinger.Any(bone => bone.Has("intermediate")) ? HumanoidThumbBones : ThumbBones;
            var found = ofFinger.FirstOrDefault(bone => names[(point - 1) % 4].Any(bone.Has));
            return found == null ? null : found.Bone;
        }

        /// <summary>The bone called wrist, else the lowest bone above both the thumb and the little finger.</summary>
        private static Transform FindWrist(List<NamedBone> named, Transform[] bones)
        {
            var wrist = named.FirstOrDefault(bone => bone.Has("wrist"));
            if (wrist != null || bones[1] == null || bones[17] == null)
                return wrist == null ? null : wrist.Bone;
            var above = bones[17].parent;
            while (above != null && !bones[1].IsChildOf(above))
                above = above.parent;
            return above;
        }

        private sealed class NamedBone
        {
            public readonly Transform Bone;
            /// <summary>Index of the finger that the name holds, or -1.</summary>
            public readonly int Finger;
            private readonly List<string> words;
            private readonly int fingerWord;

            public NamedBone(Transform bone)
            {
                Bone = bone;
                words = Words.Matches(bone.name).Cast<Match>().Select(match => Normalized(match.Value)).ToList();
                Finger = System.Array.FindIndex(Fingers, words.Contains);
                fingerWord = Finger < 0 ? -1 : words.IndexOf(Fingers[Finger]);
            }

            public bool Left => words.Contains("left") || words.Contains("l");
            public bool Right => words.Contains("right") || words.Contains("r");

            /// <summary>Whether a word comes after the finger's; what is before it may hold other numbers.</summary>
            public bool Has(string word) => words.IndexOf(word, fingerWord + 1) >= 0;

            private static string Normalized(string word)
            {
                var lower = word.ToLowerInvariant().TrimStart('0');
                return lower == "little" ? "pinky" : lower == "" ? "0" : lower;
            }
        }
    }
}
