/** A strip chart: eight scrolling EMG traces on a 2-D canvas. */

import { CHANNELS } from "@myocast/client";

import type { SignalBuffer } from "./signalBuffer";

/** Seconds of signal across the chart. */
export const STRIP_SECONDS = 4;
const LABEL_WIDTH_PX = 18;
/** Full-scale amplitude over the strip's height: above 0.5, so a loud channel overlaps its neighbours. EMG is rarely
 * loud on all channels at once. */
const AMPLITUDE_RATIO = 0.85;
const CHANNEL_LABELS = Array.from({ length: CHANNELS }, (_, i) => String(i + 1));

/** Colours of the chart; they follow the page's theme. */
export interface StripTheme {
  text: string;
  baseline: string;
  /** One colour per channel. */
  channels: readonly string[];
}

/** Draws a `SignalBuffer` on the next animation frame after `invalidate()`; allocates nothing per frame. */
export class StripChart {
  renderedFrames = 0;
  private readonly context: CanvasRenderingContext2D;
  private scheduled = false;
  private width = 0;
  private height = 0;

  constructor(
    private readonly canvas: HTMLCanvasElement,
    private theme: StripTheme,
    public signals: SignalBuffer,
  ) {
    const context = canvas.getContext("2d");
    if (!context) throw new Error("this browser has no 2-D canvas");
    this.context = context;
    new ResizeObserver(() => this.resize()).observe(canvas);
    this.resize();
  }

  setTheme(theme: StripTheme): void {
    this.theme = theme;
    this.invalidate();
  }

  invalidate(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    requestAnimationFrame(this.draw);
  }

  private resize(): void {
    const ratio = Math.min(window.devicePixelRatio, 2);
    this.width = this.canvas.clientWidth;
    this.height = this.canvas.clientHeight;
    this.canvas.width = Math.max(1, Math.round(this.width * ratio));
    this.canvas.height = Math.max(1, Math.round(this.height * ratio));
    this.context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.draw();
  }

  private readonly draw = (): void => {
    this.scheduled = false;
    const context = this.context;
    context.clearRect(0, 0, this.width, this.height);
    context.font = "600 11px system-ui, sans-serif";
    context.textBaseline = "middle";
    context.lineJoin = "round";
    const pitch = this.height / CHANNELS;
    for (let c = 0; c < CHANNELS; c++) this.drawStrip(c, c * pitch, pitch);
    this.renderedFrames++;
  };

  private drawStrip(channel: number, top: number, pitch: number): void {
    const context = this.context;
    const { centred } = this.signals;
    const zero = centred ? top + pitch / 2 : top + pitch - 4;
    context.fillStyle = this.theme.text;
    context.fillText(CHANNEL_LABELS[channel], 2, top + pitch / 2);
    context.fillStyle = this.theme.baseline;
    context.fillRect(LABEL_WIDTH_PX, zero - 0.5, this.width - LABEL_WIDTH_PX, 1);
    context.strokeStyle = this.theme.channels[channel];
    context.lineWidth = 1.25;
    context.beginPath();
    this.traceSignal(channel, zero, centred ? pitch * AMPLITUDE_RATIO : pitch - 8);
    context.stroke();
  }

  // Each pixel column shows the minimum and maximum of its samples. Columns are aligned to the sample count, not to
  // the newest sample, so that a trace does not change its shape while it scrolls.
  private traceSignal(channel: number, zero: number, amplitude: number): void {
    const { filled, rate, total } = this.signals;
    const columns = Math.max(1, Math.floor(this.width - LABEL_WIDTH_PX));
    const perColumn = (STRIP_SECONDS * rate) / columns;
    const oldest = total - Math.min(filled, Math.round(STRIP_SECONDS * rate));
    const lastColumn = Math.floor((total - 1) / perColumn);
    let connected = false;
    let n = total - 1;
    while (n >= oldest) {
      const column = Math.floor(n / perColumn);
      const first = Math.min(n, Math.max(oldest, Math.ceil(column * perColumn)));
      const x = this.width - (lastColumn - column) - 0.5;
      connected = this.traceColumn(channel, first, n, x, zero, amplitude, connected);
      n = first - 1;
    }
  }

  /** Returns whether the next column continues the line: a column of lost samples interrupts it. */
  private traceColumn(
    channel: number, first: number, last: number, x: number, zero: number, amplitude: number, connected: boolean,
  ): boolean {
    const { values, capacity, head, total, scale } = this.signals;
    const base = channel * capacity;
    let low = Infinity;
    let high = -Infinity;
    for (let n = last; n >= first; n--) {
      const value = values[base + ((head - (total - n) + capacity) % capacity)];
      if (value < low) low = value;
      if (value > high) high = value;
    }
    if (low > high) return false;
    const y1 = zero - Math.min(Math.max(low / scale, -1), 1) * amplitude;
    const y2 = zero - Math.min(Math.max(high / scale, -1), 1) * amplitude;
    if (connected) this.context.lineTo(x, y1);
    else this.context.moveTo(x, y1);
    if (y2 !== y1) this.context.lineTo(x, y2);
    return true;
  }
}
