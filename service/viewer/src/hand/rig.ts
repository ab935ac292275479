/** The matrices that move the skin from the rest pose to a live pose. */

import { BoneFrames, BONE_COUNT, FRAME_STRIDE, palmSize } from "./boneFrames";
import { REST_POSE } from "./restPose";

/** Share of a new palm size in the smoothed scale. */
const SCALE_SMOOTHING = 0.05;

const REST_FRAMES = new BoneFrames(REST_POSE);
const REST_SIZE = palmSize(REST_POSE);

/** Poses a right hand; allocates nothing per pose. */
export class Rig {
  private readonly frames = new BoneFrames(REST_POSE);
  /** Thickness of the live hand over that of the rest pose; 0 before the first pose. */
  private scale = 0;

  /** `matrices` = `BONE_COUNT` column-major 4×4 matrices, written by `setPose`. */
  constructor(readonly matrices: Float32Array) {
    this.setPose(REST_POSE);
  }

  /**
   * Move the bones.
   *
   * @param points - 63 values, mm, of a right hand (mirror a left one first).
   */
  setPose(points: ArrayLike<number>): void {
    this.frames.set(points);
    const size = palmSize(points) / REST_SIZE;
    // Smoothed, because a real hand keeps its thickness while the predicted palm size varies from pose to pose.
    this.scale = this.scale === 0 ? size : this.scale + (size - this.scale) * SCALE_SMOOTHING;
    for (let bone = 0; bone < BONE_COUNT; bone++) this.setMatrix(bone);
  }

  /** Matrix = live frame × scale × inverse of the rest frame. */
  private setMatrix(bone: number): void {
    const f = this.frames.values;
    const r = REST_FRAMES.values;
    const o = bone * FRAME_STRIDE;
    const m = bone * 16;
    const along = bone === 0 ? this.scale : f[o + 12] / r[o + 12];
    for (let column = 0; column < 3; column++)
      for (let row = 0; row < 3; row++)
        this.matrices[m + column * 4 + row] =
          this.scale * (f[o + row] * r[o + column] + f[o + 3 + row] * r[o + 3 + column]) +
          along * f[o + 6 + row] * r[o + 6 + column];
    for (let row = 0; row < 3; row++)
      this.matrices[m + 12 + row] =
        f[o + 9 + row] -
        this.matrices[m + row] * r[o + 9] -
        this.matrices[m + 4 + row] * r[o + 10] -
        this.matrices[m + 8 + row] * r[o + 11];
    this.matrices[m + 15] = 1;
  }
}
