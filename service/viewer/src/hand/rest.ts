/** The hand at rest that the skin is modelled on: a right hand, open, in frame `hand`, millimetres. */

type Point = readonly [number, number, number];

/** 21 points, flat. Proportions of an adult's hand; a live hand stretches the skin to its own. */
export const REST: Float64Array = new Float64Array(
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

/** Radius of the skin around each point; the wrist's is that of the roots of the metacarpals. */
export const RADII: readonly number[] = [
  13,
  14, 12.2, 10.6, 8.8,
  12.6, 9.7, 8.5, 7,
  12.8, 9.9, 8.7, 7.2,
  12.2, 9.4, 8.3, 6.9,
  11.2, 8.3, 7.3, 6.1,
];

/** The forearm's stump: from the wrist to the band, half width and half thickness at both ends. */
export const FOREARM = { from: 4, to: 104, width: [26, 35], thickness: [19, 28], drop: 2.5 } as const;
