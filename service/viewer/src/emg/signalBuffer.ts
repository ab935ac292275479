/** The last seconds of eight EMG channels, scaled for display. */

import { CHANNELS, type Emg } from "@myocast/client";

/** Time constant of the baseline that is subtracted, for the drawing only, from raw and filtered signals: electrode
 * offsets drift by millivolts, and a board without a bias voltage of its own sits in the middle of its range. */
const BASELINE_SECONDS = 0.6;
/** Time constant of the channel levels. */
const LEVEL_SECONDS = 0.12;
/** How long the signal has to stay small before the scale shrinks. */
const SHRINK_SECONDS = 5;
/** The scale shrinks when the peak stays below this share of it. */
const SHRINK_BELOW = 0.35;

/** A ring buffer per channel, with the display scale and the level of each channel. */
export class SignalBuffer {
  /** CHANNELS × capacity, channel by channel; lost samples are NaN. */
  readonly values: Float32Array;
  /** Write position: index after the newest sample in each channel's ring. */
  head = 0;
  /** Samples in the buffer, at most `capacity`. */
  filled = 0;
  /** Samples added since the reset, lost ones included. */
  total = 0;
  /** Activity of each channel, 0..1 of the scale. */
  readonly levels = new Float32Array(CHANNELS);
  /** Value at full scale; a step of 1-2-5, so that it changes rarely. */
  scale = 128;
  /** Samples per second. */
  rate = 200;
  /** Whether zero is in the middle of a strip (raw, filtered) or at its bottom (envelope). */
  centred = true;

  private readonly baseline = new Float32Array(CHANNELS);
  private readonly power = new Float32Array(CHANNELS);
  private nextSample = -1;
  private smallSamples = 0;

  constructor(readonly capacity: number) {
    this.values = new Float32Array(CHANNELS * capacity);
  }

  /** Empty the buffer and prepare it for signals of this kind. */
  reset(unit: "adc" | "uV", mode: "raw" | "filtered" | "envelope", rate: number): void {
    this.values.fill(NaN);
    this.head = this.filled = this.total = 0;
    this.nextSample = -1;
    this.levels.fill(0);
    this.power.fill(0);
    this.baseline.fill(NaN);
    this.centred = mode !== "envelope";
    this.rate = rate || 200;
    this.scale = unit === "uV" ? 200 : 50;
    this.smallSamples = 0;
  }

  /** Append a message's samples, after a NaN for each sample lost before it. */
  add(message: Emg): void {
    const lost = this.nextSample < 0 ? 0 : Math.min(Math.max(message.sample - this.nextSample, 0), this.capacity);
    for (let i = 0; i < lost; i++) this.addLost();
    this.nextSample = message.sample + message.rows;
    for (let row = 0; row < message.rows; row++) this.addSample(message.samples, row * CHANNELS);
    this.updateScale(message.rows);
  }

  private addLost(): void {
    for (let c = 0; c < CHANNELS; c++) this.values[c * this.capacity + this.head] = NaN;
    this.advance();
  }

  private addSample(samples: Float32Array, offset: number): void {
    for (let c = 0; c < CHANNELS; c++) {
      const value = this.withoutBaseline(c, samples[offset + c]);
      this.values[c * this.capacity + this.head] = value;
      this.power[c] += (value * value - this.power[c]) / Math.max(LEVEL_SECONDS * this.rate, 1);
      this.levels[c] = Math.min((2 * Math.sqrt(this.power[c])) / this.scale, 1);
    }
    this.advance();
  }

  private withoutBaseline(c: number, value: number): number {
    if (!this.centred) return value;
    if (Number.isNaN(this.baseline[c])) this.baseline[c] = value;
    this.baseline[c] += (value - this.baseline[c]) / Math.max(BASELINE_SECONDS * this.rate, 1);
    return value - this.baseline[c];
  }

  private advance(): void {
    this.head = (this.head + 1) % this.capacity;
    this.total++;
    if (this.filled < this.capacity) this.filled++;
  }

  // Grows at once, so that nothing is clipped; shrinks only after SHRINK_SECONDS, so that it does not flicker.
  private updateScale(rows: number): void {
    const peak = this.peak(rows);
    if (peak > this.scale) {
      this.scale = roundUp(peak);
      this.smallSamples = 0;
      return;
    }
    this.smallSamples = peak > this.scale * SHRINK_BELOW ? 0 : this.smallSamples + rows;
    const needed = Math.min(SHRINK_SECONDS * this.rate, this.capacity);
    if (this.smallSamples < needed) return;
    this.scale = Math.max(roundUp(this.peak(Math.min(needed, this.filled)) * 1.2), 1);
    this.smallSamples = 0;
  }

  /** Largest absolute value of the newest `samples` samples of all channels. */
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

/** Round up to the next of 1, 2, 5, 10, 20, … */
export function roundUp(value: number): number {
  const decade = 10 ** Math.floor(Math.log10(Math.max(value, 1e-9)));
  const step = [1, 2, 5, 10].find((s) => s * decade >= value) ?? 10;
  return step * decade;
}
