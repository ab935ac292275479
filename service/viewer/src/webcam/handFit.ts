/**
 * Fits the kinematic hand to what the tracker saw in one picture.
 *
 * Where the tracker puts a point in the picture is right within a few millimetres; how far away it says the point is, is
 * not. A hand of known bone lengths with joints of known ranges leaves little choice about depth: the angles come from
 * the points in the picture, and the tracker's depth and its own angles only decide where those leave it open. Damped
 * least squares (Levenberg-Marquardt), robust against single wrong points (Huber), with a broad prior on each angle.
 */

import { POINTS, type Side, VALUES } from "@myocast/client";

import { solveSymmetric } from "./linear";
import { ABDUCTION, ANGLES, DIGITS, handAngles, handAxes, mirror, PER_DIGIT, placeHand, RANGES, toHandFrame, withinRanges } from "./kinematics";
import type { TrackedHand } from "./tracker";

/** A right hand as the tracker saw it. Unit of the picture: its width; origin in its middle. */
export interface SeenHand {
  /** 42 values: x to the right and y down of each point. */
  picture: Float64Array;
  /** 21 values: how far away each point is, in units of the picture's width, from any origin. */
  depth: Float64Array;
  /** 63 values: the tracker's own points in space, any unit; x right, y down, z away from the camera. */
  points: Float64Array;
}

export interface FittedHand {
  /** 20 angles, degrees, within the joints' ranges. */
  angles: Float64Array;
  /** How far the fitted points lie from those seen in the picture: the median, mm. */
  missMm: number;
}

/** Focal length in units of the picture's width: that of a usual webcam. Others by half change the bends by a tenth of a degree. */
const FOCAL = 1;
/** How far the tracker's points are off in the picture, mm; it puts the wrist and the thumb's first joint elsewhere than we do. */
const PICTURE_SD = Float64Array.from({ length: POINTS }, (_, i) => ([10, 15][i] ?? 5));
const DEPTH_SD = 18;
/** From so many standard deviations on, a point's pull no longer grows. */
const HUBER = 2;
/** How far the angles of the tracker's own points are off, degrees. */
const TRACKED_SD = 35;
/** A hand at rest, and how far from it hands are, degrees. */
const REST = [8, 12, 12, 14, ...Array<number[]>(4).fill([25, 0, 30, 20]).flat()];
const REST_SD = REST.map((_, i) => (i < PER_DIGIT ? 15 : i % PER_DIGIT === ABDUCTION ? 8 : 45));
/** The last joint of a finger bends with the one before it (Rijkpema and Girard, 1991). */
const DIP_PER_PIP = 0.66;
const DIP_SD = 10;
const BEYOND_RANGE_SD = 3;

const UNKNOWNS = ANGLES + 6;
const ITERATIONS = 14;
/** Steps of the numeric derivative, and the longest step of an iteration, degrees. */
const SMALL = 0.01;
const LONGEST_STEP = 30;
const NEAREST_MM = 50;

interface State {
  angles: Float64Array;
  /** The hand's axes in those of the camera, row by row, and where the wrist is, mm. */
  turn: Float64Array;
  place: Float64Array;
}

/**
 * What was seen of a hand, or of a left hand's mirror image.
 *
 * @param heightToWidth - of the picture.
 */
export function seenRightHand(hand: TrackedHand, side: Side, heightToWidth: number): SeenHand {
  const flip = side === "right" ? 1 : -1;
  return {
    picture: hand.picture.map((value, i) => (i % 2 === 0 ? flip * (value - 0.5) : (value - 0.5) * heightToWidth)),
    depth: hand.depth,
    points: side === "right" ? hand.points : mirror(hand.points),
  };
}

/** Fit a right hand with these bone lengths (mm). */
export function fitHand(seen: SeenHand, bones: ArrayLike<number>): FittedHand {
  const fit = new Fit(seen, bones);
  return { angles: withinRanges(fit.solve().angles), missMm: fit.missMm() };
}

class Fit {
  private readonly mmPerWidth: number;
  /** The tracker's own angles. */
  private readonly tracked: Float64Array;
  private readonly depth: Float64Array;
  private state: State;
  private readonly hand = new Float64Array(VALUES);
  private readonly placed = new Float64Array(VALUES);
  private readonly away = new Float64Array(2 * POINTS);

  constructor(
    private readonly seen: SeenHand,
    private readonly bones: ArrayLike<number>,
  ) {
    this.tracked = withinRanges(handAngles(toHandFrame(seen.points, "right")));
    this.mmPerWidth = scaleOf(seen, bones);
    this.depth = centred(seen.depth.map((z) => z * this.mmPerWidth));
    const distance = this.mmPerWidth * FOCAL;
    const turn = handAxes(seen.points, "right");
    const place = Float64Array.of(seen.picture[0] * this.mmPerWidth, seen.picture[1] * this.mmPerWidth, distance);
    this.state = { angles: this.tracked.slice(), turn, place };
  }

  solve(): State {
    let cost = this.evaluate(this.state);
    let damping = 1e-2;
    for (let i = 0; i < ITERATIONS; i++) {
      const [matrix, slope] = this.normalEquations();
      for (let k = 0; k < UNKNOWNS; k++) matrix[k * UNKNOWNS + k] *= 1 + damping;
      const tried = stepped(this.state, solveSymmetric(matrix, slope));
      const newCost = this.evaluate(tried);
      if (newCost < cost) {
        this.state = tried;
        cost = newCost;
        damping = Math.max(damping * 0.3, 1e-6);
      } else {
        this.evaluate(this.state);
        damping *= 5;
      }
    }
    return this.state;
  }

  missMm(): number {
    const misses = Array.from({ length: POINTS }, (_, i) => Math.hypot(this.away[2 * i], this.away[2 * i + 1]));
    return misses.sort((a, b) => a - b)[POINTS >> 1];
  }

  /** Place the points of a state, and give its cost. */
  private evaluate(state: State): number {
    placeHand(this.hand, state.angles, this.bones);
    turnPoints(this.placed, this.hand, state);
    let cost = 0;
    const middle = meanDepth(this.placed);
    for (let i = 0; i < POINTS; i++) {
      const z = Math.max(this.placed[3 * i + 2], NEAREST_MM);
      for (let axis = 0; axis < 2; axis++) {
        this.away[2 * i + axis] = ((FOCAL * this.placed[3 * i + axis]) / z - this.seen.picture[2 * i + axis]) * this.mmPerWidth;
      }
      const miss = Math.hypot(this.away[2 * i], this.away[2 * i + 1]) / PICTURE_SD[i];
      cost += miss < HUBER ? miss ** 2 : 2 * HUBER * miss - HUBER ** 2;
      cost += ((this.placed[3 * i + 2] - middle - this.depth[i]) / DEPTH_SD) ** 2;
    }
    this.eachPrior(state.angles, (_, residual) => (cost += residual ** 2));
    return cost;
  }

  /** The matrix (26, 26) and right side (26) of the least-squares step from the current state. */
  private normalEquations(): [Float64Array, Float64Array] {
    const matrix = new Float64Array(UNKNOWNS ** 2);
    const side = new Float64Array(UNKNOWNS);
    const add = (at: readonly number[], slopes: readonly number[], residual: number): void => {
      at.forEach((row, k) => {
        side[row] -= slopes[k] * residual;
        at.forEach((column, l) => (matrix[row * UNKNOWNS + column] += slopes[k] * slopes[l]));
      });
    };
    const slopes = this.pointSlopes();
    const middle = meanDepth(this.placed);
    for (let i = 0; i < POINTS; i++) {
      const at = unknownsOf(i);
      const z = Math.max(this.placed[3 * i + 2], NEAREST_MM);
      const miss = Math.hypot(this.away[2 * i], this.away[2 * i + 1]) / PICTURE_SD[i];
      const weight = Math.sqrt(miss > HUBER ? HUBER / miss : 1) / PICTURE_SD[i];
      for (let axis = 0; axis < 2; axis++) {
        const scale = (weight * FOCAL * this.mmPerWidth) / z;
        const lean = this.placed[3 * i + axis] / z;
        add(at, at.map((k) => scale * (slopes[k][3 * i + axis] - lean * slopes[k][3 * i + 2])), weight * this.away[2 * i + axis]);
      }
      const deep = (this.placed[3 * i + 2] - middle - this.depth[i]) / DEPTH_SD;
      // The place as a whole says nothing about depth against the hand's middle.
      add(at, at.map((k) => (k < ANGLES + 3 ? slopes[k][3 * i + 2] / DEPTH_SD : 0)), deep);
    }
    this.eachPrior(this.state.angles, (at, residual, weights) => add(at, weights, residual));
    return [matrix, side];
  }

  /** How the 63 placed values change with each unknown: mm per degree, and mm per mm for the place. */
  private pointSlopes(): Float64Array[] {
    const { angles, turn } = this.state;
    const slopes = Array.from({ length: UNKNOWNS }, () => new Float64Array(VALUES));
    const moved = new Float64Array(VALUES);
    for (let joint = 0; joint < PER_DIGIT; joint++) {
      // A digit's points depend on its own four angles alone: the five digits are moved at once.
      placeHand(moved, angles.map((angle, i) => (i % PER_DIGIT === joint ? angle + SMALL : angle)), this.bones);
      const change = moved.map((value, i) => (value - this.hand[i]) / SMALL);
      for (let i = 1; i < POINTS; i++) rotate(slopes[digitOf(i) * PER_DIGIT + joint], i, turn, change);
    }
    const { placed, state } = this;
    for (let i = 0; i < POINTS; i++) {
      const [x, y, z] = [0, 1, 2].map((axis) => ((placed[3 * i + axis] - state.place[axis]) * Math.PI) / 180);
      slopes[ANGLES].set([0, -z, y], 3 * i);
      slopes[ANGLES + 1].set([z, 0, -x], 3 * i);
      slopes[ANGLES + 2].set([-y, x, 0], 3 * i);
      for (let axis = 0; axis < 3; axis++) slopes[ANGLES + 3 + axis][3 * i + axis] = 1;
    }
    return slopes;
  }

  /** What is known about the angles beside the picture, each as a residual of one or two of them. */
  private eachPrior(angles: Float64Array, use: (at: readonly number[], residual: number, weights: readonly number[]) => void): void {
    for (let i = 0; i < ANGLES; i++) {
      use([i], (angles[i] - this.tracked[i]) / TRACKED_SD, [1 / TRACKED_SD]);
      use([i], (angles[i] - REST[i]) / REST_SD[i], [1 / REST_SD[i]]);
      const beyond = Math.min(angles[i] - RANGES[i][0], 0) + Math.max(angles[i] - RANGES[i][1], 0);
      if (beyond) use([i], beyond / BEYOND_RANGE_SD, [1 / BEYOND_RANGE_SD]);
    }
    for (let digit = 1; digit < DIGITS; digit++) {
      const [pip, dip] = [digit * PER_DIGIT + 2, digit * PER_DIGIT + 3];
      use([pip, dip], (angles[dip] - DIP_PER_PIP * angles[pip]) / DIP_SD, [-DIP_PER_PIP / DIP_SD, 1 / DIP_SD]);
    }
  }
}

const POSE_UNKNOWNS = [0, 1, 2, 3, 4, 5].map((k) => ANGLES + k);
/** The unknowns that move a point: its digit's angles, and the six of the hand as a whole. */
const UNKNOWNS_OF = Array.from({ length: POINTS }, (_, i) =>
  i === 0 ? POSE_UNKNOWNS : [...[0, 1, 2, 3].map((k) => digitOf(i) * PER_DIGIT + k), ...POSE_UNKNOWNS],
);

function unknownsOf(point: number): readonly number[] {
  return UNKNOWNS_OF[point];
}

function digitOf(point: number): number {
  return (point - 1) >> 2;
}

/** Millimetres per width of the picture at the hand: the median over pairs of points of the palm, which is rigid. */
function scaleOf(seen: SeenHand, bones: ArrayLike<number>): number {
  const palm = [0, 5, 9, 13, 17];
  const hand = new Float64Array(VALUES);
  placeHand(hand, REST, bones);
  const ratios = palm.flatMap((a, k) =>
    palm.slice(k + 1).map((b) => {
      const [dx, dy] = [0, 1].map((axis) => seen.picture[2 * a + axis] - seen.picture[2 * b + axis]);
      const apart = Math.hypot(dx, dy, seen.depth[a] - seen.depth[b]);
      return Math.hypot(...[0, 1, 2].map((axis) => hand[3 * a + axis] - hand[3 * b + axis])) / Math.max(apart, 1e-6);
    }),
  );
  return ratios.sort((a, b) => a - b)[ratios.length >> 1];
}

function centred(values: Float64Array): Float64Array {
  const middle = values.reduce((sum, value) => sum + value, 0) / values.length;
  return values.map((value) => value - middle);
}

function meanDepth(points: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < POINTS; i++) sum += points[3 * i + 2];
  return sum / POINTS;
}

/** Put turn · point i into `out`. */
function rotate(out: Float64Array, i: number, turn: Float64Array, points: Float64Array): void {
  for (let axis = 0; axis < 3; axis++) {
    out[3 * i + axis] =
      turn[3 * axis] * points[3 * i] + turn[3 * axis + 1] * points[3 * i + 1] + turn[3 * axis + 2] * points[3 * i + 2];
  }
}

function turnPoints(out: Float64Array, hand: Float64Array, { turn, place }: State): void {
  for (let i = 0; i < POINTS; i++) {
    rotate(out, i, turn, hand);
    for (let axis = 0; axis < 3; axis++) out[3 * i + axis] += place[axis];
  }
}

function stepped(from: State, step: Float64Array): State {
  const angles = from.angles.map((angle, i) => angle + Math.min(Math.max(step[i], -LONGEST_STEP), LONGEST_STEP));
  const turn = turned(from.turn, step.subarray(ANGLES, ANGLES + 3));
  return { angles, turn, place: from.place.map((value, axis) => value + step[ANGLES + 3 + axis]) };
}

/** The axes turned about the camera's axes by a rotation vector, degrees (Rodrigues). */
function turned(axes: Float64Array, by: Float64Array): Float64Array {
  const angle = Math.hypot(by[0], by[1], by[2]);
  if (angle < 1e-9) return axes;
  const [x, y, z] = by.map((value) => value / angle);
  const [sin, cos] = [Math.sin((angle * Math.PI) / 180), Math.cos((angle * Math.PI) / 180)];
  const out = new Float64Array(9);
  for (let column = 0; column < 3; column++) {
    const [a, b, c] = [axes[column], axes[3 + column], axes[6 + column]];
    const along = (x * a + y * b + z * c) * (1 - cos);
    out[column] = a * cos + (y * c - z * b) * sin + x * along;
    out[3 + column] = b * cos + (z * a - x * c) * sin + y * along;
    out[6 + column] = c * cos + (x * b - y * a) * sin + z * along;
  }
  return out;
}
