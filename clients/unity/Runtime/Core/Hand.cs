namespace Myocast
{
    /// <summary>The 21 points of a hand, in MediaPipe's order. Constant; any thread.</summary>
    public static class Hand
    {
        /// <summary>How many points a hand has, values its pose, and channels an EMG sample.</summary>
        public const int Points = 21, Values = 63, Channels = 8;

        /// <summary>The points' names.</summary>
        public static readonly string[] Names =
        {
            "wrist",
            "thumb_cmc", "thumb_mcp", "thumb_ip", "thumb_tip",
            "index_mcp", "index_pip", "index_dip", "index_tip",
            "middle_mcp", "middle_pip", "middle_dip", "middle_tip",
            "ring_mcp", "ring_pip", "ring_dip", "ring_tip",
            "pinky_mcp", "pinky_pip", "pinky_dip", "pinky_tip",
        };

        /// <summary>The point at the other end of the bone, towards the wrist; -1 for the wrist.</summary>
        public static readonly int[] Parents = { -1, 0, 1, 2, 3, 0, 5, 6, 7, 0, 9, 10, 11, 0, 13, 14, 15, 0, 17, 18, 19 };
    }
}
