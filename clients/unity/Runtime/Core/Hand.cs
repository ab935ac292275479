namespace Myocast
{
    /// <summary>The 21 points of a hand, in MediaPipe's order.</summary>
    public static class Hand
    {
        public const int Points = 21;
        public const int Values = 63;
        public const int Channels = 8;

        public static readonly string[] Names =
        {
            "wrist",
            "thumb_cmc", "thumb_mcp", "thumb_ip", "thumb_tip",
            "index_mcp", "index_pip", "index_dip", "index_tip",
            "middle_mcp", "middle_pip", "middle_dip", "middle_tip",
            "ring_mcp", "ring_pip", "ring_dip", "ring_tip",
            "pinky_mcp", "pinky_pip", "pinky_dip", "pinky_tip",
        };

        /// <summary>The point that each point hangs on; -1 for the wrist.</summary>
        public static readonly int[] Parents =
        {
            -1, 0, 1, 2, 3, 0, 5, 6, 7, 0, 9, 10, 11, 0, 13, 14, 15, 0, 17, 18, 19,
        };
    }
}
