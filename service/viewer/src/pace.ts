/** How many poses a second a server makes. */

const SPAN_S = 1;
const SILENCE_MS = 1500;

/**
 * Told from the poses' own numbers and times, over the last second of them: however late they arrive, and however many
 * of them at once, it is the rate at which they were made.
 */
export class Pace {
  private readonly recent: { seq: number; t: number }[] = [];
  private heardAt = -Infinity;

  add(seq: number, t: number): void {
    const newest = this.recent.at(-1);
    if (newest && (seq <= newest.seq || t <= newest.t)) this.clear();
    this.recent.push({ seq, t });
    while (this.recent.length > 2 && t - this.recent[0].t > SPAN_S) this.recent.shift();
    this.heardAt = performance.now();
  }

  /** Poses per second; 0 while none come. */
  get perSecond(): number {
    if (performance.now() - this.heardAt > SILENCE_MS) this.clear();
    const first = this.recent[0];
    const newest = this.recent.at(-1);
    return newest && newest !== first ? (newest.seq - first.seq) / (newest.t - first.t) : 0;
  }

  clear(): void {
    this.recent.length = 0;
  }
}
