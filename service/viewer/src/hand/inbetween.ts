/** The hand between two poses: a screen shows more frames than poses come. */

import { VALUES, type Pose } from "@myocast/client";

/** Poses further apart than this are no movement from one to the other, ms. */
const LONGEST_STEP_MS = 60;
/** A point that moves further than this from one pose to the next has not moved there: another model, another hand. mm. */
const LONGEST_MOVE = 60;

/**
 * Carries the movement of the last two poses on, for at most as long as they are apart.
 *
 * Waiting for the next pose to draw the way there would be smoother and a whole pose late. Over these 20 ms points on
 * straight lines are those of turned joints to within half a millimetre.
 */
export class Inbetween {
  private readonly newest = new Float32Array(VALUES);
  private readonly move = new Float32Array(VALUES);
  private readonly drawn = new Float32Array(VALUES);
  private last: Pose | null = null;
  private arrivedMs = 0;
  /** Between the last two poses; 0 where nothing is to be carried on. */
  private stepMs = 0;
  private finished = true;

  /**
   * Take a pose.
   *
   * @param nowMs - when it arrived, on the clock of `points`.
   * @param calm - whether a filter stands behind the model; the trembling of one that has none would only be doubled.
   */
  add(pose: Pose, nowMs: number, calm: boolean): void {
    const last = this.last;
    const stepMs = last ? (pose.t - last.t) * 1000 : 0;
    const follows = last !== null && pose.seq === last.seq + 1 && pose.hand === last.hand && !pose.gap && !pose.held;
    this.stepMs = calm && follows && stepMs > 0 && stepMs <= LONGEST_STEP_MS ? stepMs : 0;
    for (let i = 0; i < VALUES; i++) {
      this.move[i] = pose.joints[i] - this.newest[i];
      this.newest[i] = pose.joints[i];
      if (Math.abs(this.move[i]) > LONGEST_MOVE) this.stepMs = 0;
    }
    this.last = pose;
    this.arrivedMs = nowMs;
    this.finished = this.stepMs === 0;
  }

  /** Whether the next frame will show something else without another pose. */
  get moving(): boolean {
    return !this.finished;
  }

  /** The 63 values to draw now, mm. The array is written again by the next call. */
  points(nowMs: number): Float32Array {
    const share = this.stepMs > 0 ? Math.min(Math.max(nowMs - this.arrivedMs, 0) / this.stepMs, 1) : 0;
    this.finished ||= share === 1;
    for (let i = 0; i < VALUES; i++) this.drawn[i] = this.newest[i] + share * this.move[i];
    return this.drawn;
  }

  /** Forget the last pose: the next one follows on nothing. */
  clear(): void {
    this.last = null;
    this.stepMs = 0;
    this.finished = true;
  }
}
