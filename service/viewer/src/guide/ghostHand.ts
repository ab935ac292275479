/** The hand that a wearer is asked to follow while prompts run; it comes ten times a second. */

/** Time over which the hand moves to the newest points: that between two of them, ms. */
const STEP_MS = 100;

export class GhostHand {
  private from: ArrayLike<number> | null = null;
  private to: ArrayLike<number> | null = null;
  private sinceMs = 0;

  /** Go to these 63 values, mm, frame `hand`; `null` = there is no such hand. */
  follow(joints: ArrayLike<number> | null, nowMs: number): void {
    this.from = this.points(nowMs) ?? joints;
    this.to = joints;
    this.sinceMs = nowMs;
  }

  /** Its 63 values at this moment; `null` if there is none. */
  points(nowMs: number): Float32Array | null {
    const { from, to } = this;
    if (!from || !to) return null;
    const share = Math.min((nowMs - this.sinceMs) / STEP_MS, 1);
    return Float32Array.from(to, (value, i) => from[i] + share * (value - from[i]));
  }
}
