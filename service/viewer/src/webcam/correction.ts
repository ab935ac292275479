/**
 * Takes a part of each joint's own error out of what is seen, by two poses that everybody can make: the flat hand and
 * the fist.
 *
 * Nobody's fist is the fist of a table, and the tracker misreads some fists: what is seen in the two poses only tells
 * something about the errors in others. So each joint's correction is an offset and a slope, both pulled to none, and
 * one misread reference does not spoil the labels.
 */

import { ABDUCTION, ANGLES, PER_DIGIT, withinRanges } from "./kinematics";
import { solveSymmetric } from "./linear";

export type ReferencePose = "flat" | "fist";

/** The angles in the reference poses, degrees. */
export const REFERENCE_ANGLES: Record<ReferencePose, readonly number[]> = {
  flat: [0, -5, 5, 5, 2, 0, 3, 2, 2, 0, 3, 2, 2, 0, 3, 2, 2, 0, 3, 2],
  fist: [30, 18, 40, 45, 78, 0, 98, 65, 82, 0, 102, 67, 84, 0, 100, 66, 84, 0, 96, 63],
};
/** How far the fitted angles are off by a part of the person's own, and the same as it changes over `LEVER`, degrees. */
const OFFSET_SD = 5;
const CHANGE_SD = 5;
const LEVER = 40;
/** How far one reading in a reference pose, or a person's own pose, is from the pose that was asked for, degrees. */
const READING_SD = 12;
/** Where readings are between flat and closed, degrees: the offset is that in the middle. */
const MIDDLE: readonly number[] = [8, 12, 12, 14, ...Array<number[]>(4).fill([25, 0, 30, 20]).flat()];
/** Corrected angles never fall as readings rise: no slope is larger than this. */
const STEEPEST = 0.4;

/** Offset and slope of the correction of each of the 20 angles. */
export class Correction {
  private readonly offset = new Float64Array(ANGLES);
  private readonly slope = new Float64Array(ANGLES);

  /** Fit to the angles seen in the two reference poses, each in several frames. */
  constructor(flat: readonly Float64Array[], fist: readonly Float64Array[]) {
    const readings: [Float64Array, readonly number[]][] = [
      [medians(flat), REFERENCE_ANGLES.flat],
      [medians(fist), REFERENCE_ANGLES.fist],
    ];
    for (let i = 0; i < ANGLES; i++) this.setJoint(i, readings.map(([seen, is]) => [seen[i] - MIDDLE[i], is[i] - seen[i]]));
  }

  /** Correct angles, degrees; the result is within the joints' ranges. */
  apply(angles: ArrayLike<number>): Float64Array {
    const seen = withinRanges(angles);
    return withinRanges(seen.map((angle, i) => angle + this.offset[i] + this.slope[i] * (angle - MIDDLE[i])));
  }

  /** Fit offset + slope * x to the errors by ridge regression; each reading is x and the error there. */
  private setJoint(i: number, readings: readonly (readonly number[])[]): void {
    // The abduction of a bent finger cannot be seen: the flat hand alone gives its offset.
    const used = i % PER_DIGIT === ABDUCTION ? readings.slice(0, 1) : readings;
    const matrix = Float64Array.of((READING_SD / OFFSET_SD) ** 2, 0, 0, (READING_SD / CHANGE_SD) ** 2);
    const side = new Float64Array(2);
    for (const [x, error] of used) {
      const row = [1, x / LEVER];
      row.forEach((a, k) => {
        side[k] += a * error;
        row.forEach((b, l) => (matrix[2 * k + l] += a * b));
      });
    }
    const [offset, change] = solveSymmetric(matrix, side);
    this.offset[i] = offset;
    this.slope[i] = Math.min(Math.max(change / LEVER, -STEEPEST), STEEPEST);
  }
}

/** The median of each place over several rows. */
function medians(rows: readonly Float64Array[]): Float64Array {
  return Float64Array.from({ length: ANGLES }, (_, i) => {
    const column = rows.map((row) => row[i]).sort((a, b) => a - b);
    return column[column.length >> 1];
  });
}
