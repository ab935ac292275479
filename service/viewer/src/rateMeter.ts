/** The rate at which the server makes poses. */

const WINDOW_S = 1;
/** Milliseconds without a pose after which the rate is 0. */
const TIMEOUT_MS = 1500;

/**
 * Measures the pose rate over the last second.
 *
 * Computed from the sequence numbers and timestamps that the server assigns, not from arrival times, so network
 * delays, bursts and poses that this client did not receive do not change the result.
 */
export class RateMeter {
  private readonly recent: { seq: number; t: number }[] = [];
  private lastArrivalMs = -Infinity;

  add(seq: number, t: number): void {
    const newest = this.recent.at(-1);
    if (newest && (seq <= newest.seq || t <= newest.t)) this.clear();
    this.recent.push({ seq, t });
    while (this.recent.length > 2 && t - this.recent[0].t > WINDOW_S) this.recent.shift();
    this.lastArrivalMs = performance.now();
  }

  /** Poses per second; 0 when none arrived for `TIMEOUT_MS`. */
  get perSecond(): number {
    if (performance.now() - this.lastArrivalMs > TIMEOUT_MS) this.clear();
    const first = this.recent[0];
    const newest = this.recent.at(-1);
    return newest && newest !== first ? (newest.seq - first.seq) / (newest.t - first.t) : 0;
  }

  clear(): void {
    this.recent.length = 0;
  }
}
