/** From 21 points to the bones that carry the skin. */

import { REST } from "./rest";

/** Bones per finger: metacarpal, then (half-way bone, phalanx) three times. Bone 0 is the forearm. */
export const PER_FINGER = 7;
export const BONE_COUNT = 1 + 5 * PER_FINGER;

/** Axes (columns x, y, z), origin, length of one bone: 13 numbers. */
const STRIDE = 13;
const MIN_LENGTH = 1e-3;

/**
 * Bones of a right hand from its points, with no allocation per pose.
 *
 * A bone's -Z points along it. Twist is carried outwards from the palm by the smallest rotation, so it
 * never flips, and each joint has a half-way bone, so that the skin keeps its volume in a bend.
 */
export class Rig {
  /** Column-major 4×4 matrices from the rest pose to the live one, `BONE_COUNT` of them. */
  readonly matrices: Float32Array;
  private readonly frames = new Float64Array(BONE_COUNT * STRIDE);
  private readonly palmFrame = new Float64Array(9);
  private girth = 0;

  constructor(matrices: Float32Array) {
    this.matrices = matrices;
    this.pose(REST);
  }

  /**
   * Move the bones.
   *
   * @param points - 63 values, millimetres, of a right hand (mirror a left one first).
   */
  pose(points: ArrayLike<number>): void {
    palmAxes(points, this.palmFrame);
    this.forearm(points);
    for (let finger = 0; finger < 5; finger++) this.finger(points, finger);
    const size = palmSize(points) / REST_SIZE;
    // A hand's girth does not change; a network's palm trembles.
    this.girth = this.girth === 0 ? size : this.girth + (size - this.girth) * 0.05;
    for (let bone = 0; bone < BONE_COUNT; bone++) this.matrix(bone);
  }

  private forearm(points: ArrayLike<number>): void {
    const f = this.frames;
    f.set(this.palmFrame);
    f[9] = points[0];
    f[10] = points[1];
    f[11] = points[2];
    f[12] = palmSize(points);
  }

  private finger(points: ArrayLike<number>, finger: number): void {
    const first = 1 + 4 * finger;
    const base = 1 + PER_FINGER * finger;
    this.segment(base, this.palmFrame, 0, points, 0, first);
    for (let joint = 0; joint < 3; joint++) {
      const parent = base + 2 * joint;
      this.segment(parent + 2, this.frames, parent * STRIDE, points, first + joint, first + joint + 1);
      this.halfway(parent + 1, parent, parent + 2);
    }
  }

  /** The frame at `from`, turned by the smallest rotation to point to `to`. */
  private segment(
    bone: number, parent: Float64Array, at: number, points: ArrayLike<number>, from: number, to: number,
  ): void {
    const f = this.frames;
    const o = bone * STRIDE;
    const dx = points[to * 3] - points[from * 3];
    const dy = points[to * 3 + 1] - points[from * 3 + 1];
    const dz = points[to * 3 + 2] - points[from * 3 + 2];
    const length = Math.hypot(dx, dy, dz);
    if (length > MIN_LENGTH) turn(parent, at, dx / length, dy / length, dz / length, f, o);
    else for (let i = 0; i < 9; i++) f[o + i] = parent[at + i];
    f[o + 9] = points[from * 3];
    f[o + 10] = points[from * 3 + 1];
    f[o + 11] = points[from * 3 + 2];
    f[o + 12] = Math.max(length, MIN_LENGTH);
  }

  private halfway(bone: number, before: number, after: number): void {
    const f = this.frames;
    const o = bone * STRIDE;
    const a = before * STRIDE;
    const b = after * STRIDE;
    const dx = -f[a + 6] - f[b + 6];
    const dy = -f[a + 7] - f[b + 7];
    const dz = -f[a + 8] - f[b + 8];
    const length = Math.hypot(dx, dy, dz);
    if (length > MIN_LENGTH) turn(f, a, dx / length, dy / length, dz / length, f, o);
    else for (let i = 0; i < 9; i++) f[o + i] = f[a + i];
    for (let i = 9; i < 12; i++) f[o + i] = f[b + i];
    f[o + 12] = (f[a + 12] + f[b + 12]) / 2;
  }

  /** `frame × stretch × inverse(rest frame)`. */
  private matrix(bone: number): void {
    const f = this.frames;
    const r = REST_FRAMES ?? f;
    const o = bone * STRIDE;
    const m = bone * 16;
    const along = bone === 0 ? this.girth : f[o + 12] / r[o + 12];
    for (let column = 0; column < 3; column++)
      for (let row = 0; row < 3; row++)
        this.matrices[m + column * 4 + row] =
          this.girth * (f[o + row] * r[o + column] + f[o + 3 + row] * r[o + 3 + column]) +
          along * f[o + 6 + row] * r[o + 6 + column];
    for (let row = 0; row < 3; row++)
      this.matrices[m + 12 + row] =
        f[o + 9 + row] -
        this.matrices[m + row] * r[o + 9] -
        this.matrices[m + 4 + row] * r[o + 10] -
        this.matrices[m + 8 + row] * r[o + 11];
    this.matrices[m + 15] = 1;
  }

  /** Frames of the rest pose, kept by the module below. */
  static restFrames(): Float64Array {
    return new Rig(new Float32Array(BONE_COUNT * 16)).frames;
  }
}

/** Mean length of the four metacarpals: the size of a hand. */
function palmSize(p: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 5; i < 21; i += 4) sum += Math.hypot(p[i * 3] - p[0], p[i * 3 + 1] - p[1], p[i * 3 + 2] - p[2]);
  return Math.max(sum / 4, MIN_LENGTH);
}

/** Axes of frame `hand` (contract, section 1) from the points of a right hand. */
function palmAxes(p: ArrayLike<number>, out: Float64Array): void {
  let zx = p[0] - p[27];
  let zy = p[1] - p[28];
  let zz = p[2] - p[29];
  const zl = Math.hypot(zx, zy, zz);
  const ax = p[51] - p[15];
  const ay = p[52] - p[16];
  const az = p[53] - p[17];
  zx /= zl;
  zy /= zl;
  zz /= zl;
  let yx = zy * az - zz * ay;
  let yy = zz * ax - zx * az;
  let yz = zx * ay - zy * ax;
  const yl = Math.hypot(yx, yy, yz);
  if (!(zl > MIN_LENGTH && yl > MIN_LENGTH)) return identity(out);
  yx /= yl;
  yy /= yl;
  yz /= yl;
  out[0] = yy * zz - yz * zy;
  out[1] = yz * zx - yx * zz;
  out[2] = yx * zy - yy * zx;
  out[3] = yx;
  out[4] = yy;
  out[5] = yz;
  out[6] = zx;
  out[7] = zy;
  out[8] = zz;
}

function identity(out: Float64Array): void {
  for (let i = 0; i < 9; i++) out[i] = i % 4 === 0 ? 1 : 0;
}

/** Turn a frame by the smallest rotation that brings its -Z to the unit vector (bx, by, bz). */
function turn(
  from: Float64Array, at: number, bx: number, by: number, bz: number, out: Float64Array, o: number,
): void {
  const ax = -from[at + 6];
  const ay = -from[at + 7];
  const az = -from[at + 8];
  const vx = ay * bz - az * by;
  const vy = az * bx - ax * bz;
  const vz = ax * by - ay * bx;
  const c = 1 / Math.max(1 + ax * bx + ay * by + az * bz, 1e-4);
  for (let i = 0; i < 6; i += 3) {
    const x = from[at + i];
    const y = from[at + i + 1];
    const z = from[at + i + 2];
    const cx = vy * z - vz * y;
    const cy = vz * x - vx * z;
    const cz = vx * y - vy * x;
    out[o + i] = x + cx + (vy * cz - vz * cy) * c;
    out[o + i + 1] = y + cy + (vz * cx - vx * cz) * c;
    out[o + i + 2] = z + cz + (vx * cy - vy * cx) * c;
  }
  out[o + 6] = -bx;
  out[o + 7] = -by;
  out[o + 8] = -bz;
}

const REST_SIZE = palmSize(REST);
let REST_FRAMES: Float64Array | null = null;
REST_FRAMES = Rig.restFrames();
