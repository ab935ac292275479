/** The rest pose that the skin is modelled on: an open right hand in frame `hand`, millimetres. */

type Point = readonly [number, number, number];

/** 63 values. Proportions of an adult; the rig stretches the skin to the size of a live hand. */
export const REST_POSE: Float64Array = new Float64Array(
  (
    [
      [0, 0, 0],
      [-23, -9, -23], [-47, -17, -57], [-62, -22, -86], [-73, -25, -112],
      [-25, -4, -89], [-32, -6, -132], [-36, -9, -158], [-38, -12, -179],
      [0, 0, -92], [-1, -2, -139], [-1, -5, -169], [-1, -8, -193],
      [20, -1, -86], [29, -3, -128], [34, -6, -156], [37, -9, -179],
      [37, -4, -77], [51, -6, -108], [59, -8, -127], [66, -11, -146],
    ] as Point[]
  ).flat(),
);

/** Radius of the skin around each point, mm; the wrist's is that of the metacarpals' bases. */
export const SKIN_RADII: readonly number[] = [
  13,
  14, 12.2, 10.6, 8.8,
  12.6, 9.7, 8.5, 7,
  12.8, 9.9, 8.7, 7.2,
  12.2, 9.4, 8.3, 6.9,
  11.2, 8.3, 7.3, 6.1,
];

/** The visible part of the forearm, an elliptic cone from the wrist to the armband, mm. */
export const FOREARM = {
  /** Range along z. */
  from: 4,
  to: 104,
  /** Half width and half thickness, each at the wrist and at the armband. */
  width: [26, 35],
  thickness: [19, 28],
  /** How far its axis is below the wrist point, along y. */
  drop: 2.5,
} as const;

/** A component of the unit vector from one point to another, in the rest pose. */
export function boneDirection(to: number, from: number, axis: number): number {
  const d = [0, 1, 2].map((i) => REST_POSE[to * 3 + i] - REST_POSE[from * 3 + i]);
  return d[axis] / Math.hypot(d[0], d[1], d[2]);
}
