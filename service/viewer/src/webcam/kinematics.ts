/**
 * Angles and bone lengths of a right hand, and the 21 points they give: the same chain as `models/kinematics.py`.
 *
 * Each digit has axes d (along it), w (towards the thumb; the thumb's own: out of the palm) and f (flexion). Its first
 * joint turns by `aa` from d towards w, and its three joints bend towards f.
 */

import { POINTS, VALUES } from "@myocast/client";

export const DIGITS = 5;
export const PER_DIGIT = 4;
export const ANGLES = DIGITS * PER_DIGIT;
/** Where the abduction stands among a digit's four angles. */
export const ABDUCTION = 1;

/** Lowest and highest angle of each joint, degrees. */
export const RANGES: readonly (readonly [number, number])[] = [
  [-25, 45], [-15, 55], [-10, 60], [-15, 80],
  [-20, 90], [-15, 20], [0, 110], [-5, 80],
  [-20, 90], [-15, 15], [0, 110], [-5, 80],
  [-20, 90], [-15, 15], [0, 110], [-5, 80],
  [-20, 95], [-25, 15], [0, 110], [-5, 80],
];

/** Wrist to tip of the middle finger of an average hand, mm. */
export const AVERAGE_HAND_MM = 185;

/** Bone lengths as shares of the hand's length; a bone is named after the point at its far end, from the thumb's CMC. */
const PROPORTIONS: readonly number[] = [
  0.165, 0.251, 0.196, 0.158,
  0.463, 0.245, 0.143, 0.097,
  0.446, 0.266, 0.17, 0.108,
  0.421, 0.244, 0.165, 0.107,
  0.414, 0.204, 0.117, 0.093,
];
const KNUCKLE_AZIMUTH = [-45, -16, 0, 13.5, 27].map(radians);
/** How far a knuckle lies below the middle one, as a share of the middle metacarpal. */
const KNUCKLE_DROP = [0.16, 0.05, 0, 0.012, 0.05];
const SPLAY = [-40, -4, 0, 4, 9];
const PITCH = [25, 0, 0, 0, 0];
const ROLL = [35, -5, 0, 6, 13];

type Vector = readonly [number, number, number];

/** Each digit's axes d, w, f in frame `hand`. */
const AXES: readonly (readonly [Vector, Vector, Vector])[] = SPLAY.map((_, digit) =>
  digitAxes(radians(SPLAY[digit]), radians(PITCH[digit]), radians(ROLL[digit])),
);

function digitAxes(splay: number, pitch: number, roll: number): [Vector, Vector, Vector] {
  const along: Vector = [Math.sin(splay) * Math.cos(pitch), -Math.sin(pitch), -Math.cos(splay) * Math.cos(pitch)];
  const level: Vector = [Math.cos(splay), 0, Math.sin(splay)];
  const down = cross(along, level);
  const lateral: Vector = pitch ? down : scale(level, -1);
  const flexion: Vector = pitch ? level : down;
  return [
    along,
    add(scale(lateral, Math.cos(roll)), scale(flexion, -Math.sin(roll))),
    add(scale(flexion, Math.cos(roll)), scale(lateral, Math.sin(roll))),
  ];
}

/** The 20 bone lengths of an average hand of this length, mm. */
export function averageBones(handMm: number): Float64Array {
  return Float64Array.from(PROPORTIONS, (share) => share * handMm);
}

/** The 20 bone lengths of a hand of average proportions that measures this much along its middle finger, mm. */
export function bonesOfHand(handMm: number): Float64Array {
  const bones = averageBones(handMm);
  const along = bones.subarray(2 * PER_DIGIT, 3 * PER_DIGIT).reduce((sum, bone) => sum + bone, 0);
  return bones.map((bone) => (bone * handMm) / along);
}

/** The 20 bone lengths of 21 points. */
export function boneLengths(points: ArrayLike<number>): Float64Array {
  return Float64Array.from({ length: ANGLES }, (_, bone) => {
    const from = bone % PER_DIGIT === 0 ? 0 : bone;
    return length(subtract(pointAt(points, bone + 1), pointAt(points, from)));
  });
}

/** The angles, degrees, that best explain 21 points of a right hand in frame `hand`. */
export function handAngles(points: ArrayLike<number>): Float64Array {
  const out = new Float64Array(ANGLES);
  for (let digit = 0; digit < DIGITS; digit++) out.set(digitAngles(points, digit), digit * PER_DIGIT);
  return out;
}

function digitAngles(points: ArrayLike<number>, digit: number): number[] {
  const [d, w, f] = AXES[digit];
  const first = 1 + digit * PER_DIGIT;
  const steps = [0, 1, 2].map((k) => subtract(pointAt(points, first + k + 1), pointAt(points, first + k)));
  // The plane of the digit's three bones, least squares.
  const sumWD = steps.reduce((sum, step) => sum + dot(step, w) * dot(step, d), 0);
  const sumDD = steps.reduce((sum, step) => sum + dot(step, d) ** 2, 1e-12);
  const aa = Math.atan2(sumWD, sumDD);
  const bends = steps.map((step) => Math.atan2(dot(step, f), Math.cos(aa) * dot(step, d) + Math.sin(aa) * dot(step, w)));
  return [bends[0], aa, wrap(bends[1] - bends[0]), wrap(bends[2] - bends[1])].map((angle) => (angle * 180) / Math.PI);
}

/** The 63 values of a right hand with these angles (degrees) and bone lengths (mm), frame `hand`. */
export function handPoints(angles: ArrayLike<number>, bones: ArrayLike<number>): Float32Array {
  const out = new Float32Array(VALUES);
  placeHand(out, angles, bones);
  return out;
}

/** The same into `out`; the wrist's values are left as they are (0). */
export function placeHand(out: Float32Array | Float64Array, angles: ArrayLike<number>, bones: ArrayLike<number>): void {
  for (let digit = 0; digit < DIGITS; digit++) placeDigit(out, digit, angles, bones);
}

/** The nearest angles within the joints' ranges, degrees. */
export function withinRanges(angles: ArrayLike<number>): Float64Array {
  return Float64Array.from({ length: ANGLES }, (_, i) => Math.min(Math.max(angles[i], RANGES[i][0]), RANGES[i][1]));
}

function placeDigit(out: Float32Array | Float64Array, digit: number, angles: ArrayLike<number>, bones: ArrayLike<number>): void {
  const [d, w, f] = AXES[digit];
  const base = digit * PER_DIGIT;
  const aa = radians(angles[base + ABDUCTION]);
  const along = add(scale(d, Math.cos(aa)), scale(w, Math.sin(aa)));
  let at = palmPoint(digit, bones);
  let bend = 0;
  out.set(at, (base + 1) * 3);
  [base, base + 2, base + 3].forEach((joint, k) => {
    bend += radians(angles[joint]);
    const direction = add(scale(along, Math.cos(bend)), scale(f, Math.sin(bend)));
    at = add(at, scale(direction, bones[base + k + 1]));
    out.set(at, (base + k + 2) * 3);
  });
}

/** Where a digit starts in the palm. */
function palmPoint(digit: number, bones: ArrayLike<number>): Vector {
  const reach = bones[digit * PER_DIGIT];
  const y = -KNUCKLE_DROP[digit] * bones[2 * PER_DIGIT];
  const level = Math.sqrt(Math.max(reach ** 2 - y ** 2, 0));
  return [level * Math.sin(KNUCKLE_AZIMUTH[digit]), y, -level * Math.cos(KNUCKLE_AZIMUTH[digit])];
}

/** Turn 21 points of a hand of any place and direction, right-handed axes, into frame `hand`. */
export function toHandFrame(points: ArrayLike<number>, side: "left" | "right"): Float64Array {
  const wrist = pointAt(points, 0);
  const [x, y, z] = axesOf(points, side);
  const out = new Float64Array(VALUES);
  for (let i = 0; i < POINTS; i++) {
    const p = subtract(pointAt(points, i), wrist);
    out.set([dot(p, x), dot(p, y), dot(p, z)], i * 3);
  }
  return out;
}

/** The axes of frame `hand` in those of 21 points: 9 values, the columns are x, y, z. */
export function handAxes(points: ArrayLike<number>, side: "left" | "right"): Float64Array {
  const axes = axesOf(points, side);
  return Float64Array.from({ length: 9 }, (_, i) => axes[i % 3][Math.floor(i / 3)]);
}

function axesOf(points: ArrayLike<number>, side: "left" | "right"): [Vector, Vector, Vector] {
  const z = unit(subtract(pointAt(points, 0), pointAt(points, 9)));
  const across = subtract(pointAt(points, side === "right" ? 17 : 5), pointAt(points, side === "right" ? 5 : 17));
  const y = unit(cross(z, across));
  return [cross(y, z), y, z];
}

/** The points of a left hand as those of a right one, and the other way round. */
export function mirror<T extends Float32Array | Float64Array>(points: T): T {
  return points.map((value, i) => (i % 3 === 0 ? -value : value)) as T;
}

function radians(degrees: number): number {
  return (degrees * Math.PI) / 180;
}

/** To -pi..pi. */
function wrap(angle: number): number {
  return angle - 2 * Math.PI * Math.round(angle / (2 * Math.PI));
}

function pointAt(points: ArrayLike<number>, i: number): Vector {
  return [points[i * 3], points[i * 3 + 1], points[i * 3 + 2]];
}

function add(a: Vector, b: Vector): Vector {
  return [a[0] + b[0], a[1] + b[1], a[2] + b[2]];
}

function subtract(a: Vector, b: Vector): Vector {
  return [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
}

function scale(a: Vector, by: number): Vector {
  return [a[0] * by, a[1] * by, a[2] * by];
}

function dot(a: Vector, b: Vector): number {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

function cross(a: Vector, b: Vector): Vector {
  return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
}

function length(a: Vector): number {
  return Math.hypot(a[0], a[1], a[2]);
}

function unit(a: Vector): Vector {
  return scale(a, 1 / Math.max(length(a), 1e-9));
}
