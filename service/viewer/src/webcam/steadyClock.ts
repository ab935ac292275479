/**
 * The server's clock for times of pictures.
 *
 * While the hand tracker looks at a picture, answers to pings wait to be read, and half of what they wait is an error of
 * the clock. So an exchange from before counts on, until another one is as sure as that one is after some time of drift.
 */

import type { Client } from "@myocast/client";

/** By how much two clocks drift apart at most, seconds a second; those of one computer hardly do. */
const DRIFT = 15e-6;

export class SteadyClock {
  private best: { offset: number; errorS: number; atS: number } | null = null;
  private session = "";

  /** Look at the newest exchange; call it often, also before pictures come. `session` tells server processes apart. */
  update(client: Pick<Client, "clockOffset" | "roundTrip">, session: string): void {
    if (session !== this.session) this.best = null;
    this.session = session;
    const { clockOffset: offset, roundTrip } = client;
    if (offset === null || roundTrip === null) return;
    const atS = performance.now() / 1000;
    const errorS = roundTrip / 2;
    const { best } = this;
    const bound = best ? best.errorS + DRIFT * (atS - best.atS) : Infinity;
    // Two exchanges that exclude each other: a clock was set meanwhile.
    const isSet = best !== null && Math.abs(offset - best.offset) > errorS + bound;
    if (errorS <= bound || isSet) this.best = { offset, errorS, atS };
  }

  /** Unix seconds on the server's clock of a time of `performance.now()`, s; `null` before the first exchange. */
  serverTime(t: number): number | null {
    return this.best && performance.timeOrigin / 1000 + t + this.best.offset;
  }
}
