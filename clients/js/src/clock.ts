/** Lines up this machine's clock with the server's, from ping and pong. */

const KEPT = 8;

interface Exchange {
  offset: number;
  roundTrip: number;
}

/**
 * Offset of the server's clock: `t_server = t_here + offset`, seconds.
 *
 * One exchange gives `t − (sent + received) / 2`; the error is at most half its round trip, so of the
 * last 8 the one with the shortest round trip counts (the filter of NTP, RFC 5905 section 10).
 */
export class ClockOffset {
  #last: Exchange[] = [];
  #best: Exchange | null = null;

  /** Seconds to add to this machine's time, or `null` before the first exchange. */
  get offset(): number | null {
    return this.#best && this.#best.offset;
  }

  /** Round trip of the exchange that counts, seconds: the offset is sure to half of it. */
  get roundTrip(): number | null {
    return this.#best && this.#best.roundTrip;
  }

  /** Add one exchange; all three in Unix seconds, `sent` and `received` on this machine's clock. */
  add(sent: number, received: number, server: number): void {
    this.#last.push({ offset: server - (sent + received) / 2, roundTrip: received - sent });
    if (this.#last.length > KEPT) this.#last.shift();
    this.#best = this.#last.reduce((a, b) => (b.roundTrip < a.roundTrip ? b : a));
  }

  /** Forget everything: another server process answers now. */
  reset(): void {
    this.#last = [];
    this.#best = null;
  }
}

/** Pings that have not been answered yet. */
export class Pings {
  #sent = new Map<number, number>();
  #last = 0;

  /** Note a ping that is sent now; returns its id. */
  send(now: number): number {
    this.#sent.set(++this.#last, now);
    return this.#last;
  }

  /** When the ping of an answer was sent; `undefined` for none of ours. Older ones no longer count. */
  answered(id: unknown): number | undefined {
    const sent = typeof id === "number" ? this.#sent.get(id) : undefined;
    if (sent !== undefined) for (const key of this.#sent.keys()) if (key <= (id as number)) this.#sent.delete(key);
    return sent;
  }

  clear(): void {
    this.#sent.clear();
  }
}
