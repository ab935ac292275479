/** The 21 points of a hand: their number, names, bones. Order: MediaPipe's hand landmarks. */

export const POINTS = 21;
export const VALUES = POINTS * 3;
export const CHANNELS = 8;

export const JOINTS = [
  "wrist",
  "thumb_cmc", "thumb_mcp", "thumb_ip", "thumb_tip",
  "index_mcp", "index_pip", "index_dip", "index_tip",
  "middle_mcp", "middle_pip", "middle_dip", "middle_tip",
  "ring_mcp", "ring_pip", "ring_dip", "ring_tip",
  "pinky_mcp", "pinky_pip", "pinky_dip", "pinky_tip",
] as const;

export type JointName = (typeof JOINTS)[number];

/** The point that each point hangs on; -1 for the wrist. */
export const PARENTS: readonly number[] = [
  -1, 0, 1, 2, 3, 0, 5, 6, 7, 0, 9, 10, 11, 0, 13, 14, 15, 0, 17, 18, 19,
];

/** The 20 bones as [from, to] pairs of point indices. */
export const BONES: readonly (readonly [number, number])[] = PARENTS.flatMap((parent, point) =>
  parent < 0 ? [] : [[parent, point] as const],
);
