/**
 * Takes each joint's own error out of what the tracker sees, by two poses that everybody can make: the flat hand and
 * the fist.
 *
 * The tracker is off by a similar amount at each joint in every pose, and shows a fist less closed than it is. What it
 * says in the two poses, within the ranges of the joints, is mapped to what the joints are in them.
 */

import { ABDUCTION, ANGLES, averageBones, boneLengths, PER_DIGIT, RANGES } from "./kinematics";

export type ReferencePose = "flat" | "fist";

/** The angles in the reference poses, degrees. */
const REFERENCE: Record<ReferencePose, readonly number[]> = {
  flat: [0, -5, 5, 5, 2, 0, 3, 2, 2, 0, 3, 2, 2, 0, 3, 2, 2, 0, 3, 2],
  fist: [30, 18, 40, 45, 78, 0, 98, 65, 82, 0, 102, 67, 84, 0, 100, 66, 84, 0, 96, 63],
};
/** Joints that bend by less than this between the two poses get an offset alone, degrees. */
const LEAST_BEND = 15;
const GAIN_RANGE = [0.5, 2] as const;
/** How far a bone may be from the average hand's, as a share: beyond that the tracker is wrong rather than the hand. */
const BONE_TOLERANCE = 0.15;

/** Angles and points of one reference pose, as seen in several frames. */
export interface Observation {
  angles: readonly Float64Array[];
  points: readonly Float64Array[];
}

/** Offsets and gains of the 20 angles, and the person's bone lengths. */
export class Correction {
  private readonly gain = new Float64Array(ANGLES).fill(1);
  /** The angles seen in the flat hand. */
  private readonly flat = new Float64Array(ANGLES);
  readonly bones: Float64Array;

  /** @param handMm - wrist to tip of the middle finger. */
  constructor(flat: Observation, fist: Observation, handMm: number) {
    const [flatAngles, fistAngles] = [withinRanges(medians(flat.angles)), withinRanges(medians(fist.angles))];
    for (let i = 0; i < ANGLES; i++) this.setJoint(i, flatAngles[i], fistAngles[i]);
    this.bones = personBones(medians(flat.points.map(boneLengths)), handMm);
  }

  /** Correct angles, degrees; the result is within the joints' ranges. */
  apply(angles: ArrayLike<number>): Float64Array {
    const seen = withinRanges(angles);
    return withinRanges(seen.map((angle, i) => REFERENCE.flat[i] + this.gain[i] * (angle - this.flat[i])));
  }

  private setJoint(i: number, flat: number, fist: number): void {
    this.flat[i] = flat;
    const bend = REFERENCE.fist[i] - REFERENCE.flat[i];
    // The abduction of a bent finger cannot be seen: the flat hand alone gives its offset.
    if (i % PER_DIGIT === ABDUCTION || bend < LEAST_BEND || Math.abs(fist - flat) < LEAST_BEND) return;
    const gain = bend / (fist - flat);
    this.gain[i] = Math.min(Math.max(gain, GAIN_RANGE[0]), GAIN_RANGE[1]);
  }
}

function withinRanges(angles: ArrayLike<number>): Float64Array {
  return Float64Array.from({ length: ANGLES }, (_, i) => Math.min(Math.max(angles[i], RANGES[i][0]), RANGES[i][1]));
}

/** The seen proportions, within the tolerance of the average hand's, at the person's own size. */
function personBones(seen: Float64Array, handMm: number): Float64Array {
  const average = averageBones(handMm);
  const size = middleLength(average) / Math.max(middleLength(seen), 1e-9);
  const bones = average.map((bone, i) =>
    Math.min(Math.max(seen[i] * size, bone * (1 - BONE_TOLERANCE)), bone * (1 + BONE_TOLERANCE)),
  );
  const rescale = handMm / middleLength(bones);
  return bones.map((bone) => bone * rescale);
}

/** Wrist to tip along the middle finger. */
function middleLength(bones: Float64Array): number {
  return bones.subarray(2 * PER_DIGIT, 3 * PER_DIGIT).reduce((sum, bone) => sum + bone, 0);
}

/** The median of each place over several rows. */
function medians(rows: readonly Float64Array[]): Float64Array {
  return Float64Array.from({ length: ANGLES }, (_, i) => {
    const column = rows.map((row) => row[i]).sort((a, b) => a - b);
    return column[column.length >> 1];
  });
}
