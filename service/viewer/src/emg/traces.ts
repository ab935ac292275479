/** The last seconds of eight channels, ready to be drawn. */

import { CHANNELS, type Emg } from "@myocast/client";

/** Display only: takes the slow offset out of channels that have one (electrodes in µV drift by mV). */
const DRIFT_SECONDS = 0.6;
const ACTIVITY_SECONDS = 0.12;
const QUIET_SECONDS = 5;

/** A ring of samples per channel with its scale. */
export class Traces {
  /** CHANNELS × capacity, channel by channel; the write position is `head`. */
  readonly values: Float32Array;
  /** Index after the newest sample in each channel's ring. */
  head = 0;
  /** Samples held so far, at most `capacity`. */
  filled = 0;
  /** Samples ever added, holes included. */
  total = 0;
  /** How active each channel is, 0..1 of the scale. */
  readonly levels = new Float32Array(CHANNELS);
  /** Value at the edge of a strip; steps 1-2-5, so that it rests. */
  scale = 128;
  rate = 200;
  centred = true;

  private readonly baseline = new Float32Array(CHANNELS);
  private readonly power = new Float32Array(CHANNELS);
  private next = -1;
  private quietSamples = 0;
  private drifts = false;

  constructor(readonly capacity: number) {
    this.values = new Float32Array(CHANNELS * capacity);
  }

  /** Start anew, for a device of this kind. */
  reset(unit: "adc" | "uV", mode: "raw" | "filtered" | "envelope", rate: number): void {
    this.values.fill(NaN);
    this.head = this.filled = this.total = 0;
    this.next = -1;
    this.levels.fill(0);
    this.power.fill(0);
    this.baseline.fill(NaN);
    this.drifts = unit === "uV";
    this.centred = mode !== "envelope";
    this.rate = rate || 200;
    this.scale = unit === "uV" ? 200 : 50;
    this.quietSamples = 0;
  }

  /** Add a message's rows; samples that were lost leave a hole. */
  add(message: Emg): void {
    const lost = this.next < 0 ? 0 : Math.min(Math.max(message.sample - this.next, 0), this.capacity);
    for (let i = 0; i < lost; i++) this.hole();
    this.next = message.sample + message.rows;
    for (let row = 0; row < message.rows; row++) this.row(message.samples, row * CHANNELS);
    this.rescale(message.rows);
  }

  private hole(): void {
    for (let c = 0; c < CHANNELS; c++) this.values[c * this.capacity + this.head] = NaN;
    this.advance();
  }

  private row(samples: Float32Array, at: number): void {
    for (let c = 0; c < CHANNELS; c++) {
      const value = this.level(c, samples[at + c]);
      this.values[c * this.capacity + this.head] = value;
      this.power[c] += (value * value - this.power[c]) / Math.max(ACTIVITY_SECONDS * this.rate, 1);
      this.levels[c] = Math.min((2 * Math.sqrt(this.power[c])) / this.scale, 1);
    }
    this.advance();
  }

  private level(c: number, value: number): number {
    if (!this.drifts) return value;
    if (Number.isNaN(this.baseline[c])) this.baseline[c] = value;
    this.baseline[c] += (value - this.baseline[c]) / Math.max(DRIFT_SECONDS * this.rate, 1);
    return value - this.baseline[c];
  }

  private advance(): void {
    this.head = (this.head + 1) % this.capacity;
    this.total++;
    if (this.filled < this.capacity) this.filled++;
  }

  // Up at once, down only after a whole strip has been small.
  private rescale(rows: number): void {
    const peak = this.peak(rows);
    if (peak > this.scale) {
      this.scale = roundUp(peak);
      this.quietSamples = 0;
      return;
    }
    this.quietSamples = peak > this.scale * 0.35 ? 0 : this.quietSamples + rows;
    const quiet = Math.min(QUIET_SECONDS * this.rate, this.capacity);
    if (this.quietSamples < quiet) return;
    this.scale = Math.max(roundUp(this.peak(Math.min(quiet, this.filled)) * 1.2), 1);
    this.quietSamples = 0;
  }

  private peak(samples: number): number {
    let peak = 0;
    for (let i = 1; i <= samples; i++) {
      const at = (this.head - i + this.capacity) % this.capacity;
      for (let c = 0; c < CHANNELS; c++) {
        const value = Math.abs(this.values[c * this.capacity + at]);
        if (value > peak) peak = value;
      }
    }
    return peak;
  }
}

/** The next of 1, 2, 5, 10, 20, … */
export function roundUp(value: number): number {
  const decade = 10 ** Math.floor(Math.log10(Math.max(value, 1e-9)));
  const step = [1, 2, 5, 10].find((s) => s * decade >= value) ?? 10;
  return step * decade;
}
