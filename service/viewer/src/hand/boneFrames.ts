/** Frames of the bones that carry the skin, computed from the 21 points of a right hand. */

/** Bones per finger: the metacarpal, then three pairs of half-way bone and phalanx. Bone 0 is the forearm. */
export const BONES_PER_FINGER = 7;
export const BONE_COUNT = 1 + 5 * BONES_PER_FINGER;

/** Values per frame: axes (columns x, y, z), origin, length of the bone. */
export const FRAME_STRIDE = 13;
const MIN_LENGTH = 1e-3;

/**
 * The frames of all bones; `set` allocates nothing.
 *
 * A bone's -Z points along it. Each segment's axes are its parent's, turned by the smallest rotation that aligns them
 * with the segment, so the twist never flips. Each joint has a half-way bone, so that the skin keeps its volume when
 * the joint bends.
 */
export class BoneFrames {
  readonly values = new Float64Array(BONE_COUNT * FRAME_STRIDE);
  private readonly palmFrame = new Float64Array(9);

  constructor(points: ArrayLike<number>) {
    this.set(points);
  }

  /** Compute the frames; `points` = 63 values of a right hand, mm. */
  set(points: ArrayLike<number>): void {
    palmAxes(points, this.palmFrame);
    this.setForearm(points);
    for (let finger = 0; finger < 5; finger++) this.setFinger(points, finger);
  }

  private setForearm(points: ArrayLike<number>): void {
    const f = this.values;
    f.set(this.palmFrame);
    f[9] = points[0];
    f[10] = points[1];
    f[11] = points[2];
    f[12] = palmSize(points);
  }

  private setFinger(points: ArrayLike<number>, finger: number): void {
    const first = 1 + 4 * finger;
    const base = 1 + BONES_PER_FINGER * finger;
    this.setSegment(base, this.palmFrame, 0, points, 0, first);
    for (let joint = 0; joint < 3; joint++) {
      const parent = base + 2 * joint;
      this.setSegment(parent + 2, this.values, parent * FRAME_STRIDE, points, first + joint, first + joint + 1);
      this.setHalfway(parent + 1, parent, parent + 2);
    }
  }

  /** Place a bone at point `from`, its parent's axes turned by the smallest rotation that points it to `to`. */
  private setSegment(
    bone: number, parent: Float64Array, at: number, points: ArrayLike<number>, from: number, to: number,
  ): void {
    const f = this.values;
    const o = bone * FRAME_STRIDE;
    const dx = points[to * 3] - points[from * 3];
    const dy = points[to * 3 + 1] - points[from * 3 + 1];
    const dz = points[to * 3 + 2] - points[from * 3 + 2];
    const length = Math.hypot(dx, dy, dz);
    if (length > MIN_LENGTH) rotateTo(parent, at, dx / length, dy / length, dz / length, f, o);
    else for (let i = 0; i < 9; i++) f[o + i] = parent[at + i];
    f[o + 9] = points[from * 3];
    f[o + 10] = points[from * 3 + 1];
    f[o + 11] = points[from * 3 + 2];
    f[o + 12] = Math.max(length, MIN_LENGTH);
  }

  private setHalfway(bone: number, before: number, after: number): void {
    const f = this.values;
    const o = bone * FRAME_STRIDE;
    const a = before * FRAME_STRIDE;
    const b = after * FRAME_STRIDE;
    const dx = -f[a + 6] - f[b + 6];
    const dy = -f[a + 7] - f[b + 7];
    const dz = -f[a + 8] - f[b + 8];
    const length = Math.hypot(dx, dy, dz);
    if (length > MIN_LENGTH) rotateTo(f, a, dx / length, dy / length, dz / length, f, o);
    else for (let i = 0; i < 9; i++) f[o + i] = f[a + i];
    for (let i = 9; i < 12; i++) f[o + i] = f[b + i];
    f[o + 12] = (f[a + 12] + f[b + 12]) / 2;
  }
}

/** Mean length of the four metacarpals of the fingers, mm: a measure of the hand's size. */
export function palmSize(p: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 5; i < 21; i += 4) sum += Math.hypot(p[i * 3] - p[0], p[i * 3 + 1] - p[1], p[i * 3 + 2] - p[2]);
  return Math.max(sum / 4, MIN_LENGTH);
}

/** Axes of frame `hand` (docs/protocol.md#frame-hand) from the points of a right hand. */
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

/** Rotate a frame by the smallest rotation that brings its -Z to the unit vector (bx, by, bz). */
function rotateTo(
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
