/** Eight scrolling strips on a 2-D canvas. */

import { CHANNELS } from "@myocast/client";

import type { Traces } from "./traces";

const SECONDS = 4;
const LABEL_WIDTH = 18;
/** A full-scale swing reaches into the neighbouring strips: EMG is seldom loud on all channels at once. */
const OVERLAP = 0.85;

/** What the strips look like; follows the page's theme. */
export interface StripTheme {
  text: string;
  rule: string;
  /** One colour per channel. */
  channels: readonly string[];
}

/** Draws a `Traces` whenever it is told that something is new; allocates nothing per picture. */
export class Strips {
  /** Pictures drawn so far. */
  drawn = 0;
  private readonly context: CanvasRenderingContext2D;
  private scheduled = false;
  private width = 0;
  private height = 0;

  constructor(
    private readonly canvas: HTMLCanvasElement,
    private theme: StripTheme,
    public traces: Traces,
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
    const g = this.context;
    g.clearRect(0, 0, this.width, this.height);
    g.font = "600 11px system-ui, sans-serif";
    g.textBaseline = "middle";
    g.lineJoin = "round";
    const pitch = this.height / CHANNELS;
    for (let c = 0; c < CHANNELS; c++) this.strip(c, c * pitch, pitch);
    this.drawn++;
  };

  private strip(channel: number, top: number, pitch: number): void {
    const g = this.context;
    const { centred } = this.traces;
    const zero = centred ? top + pitch / 2 : top + pitch - 4;
    g.fillStyle = this.theme.text;
    g.fillText(CHANNEL_LABELS[channel], 2, top + pitch / 2);
    g.fillStyle = this.theme.rule;
    g.fillRect(LABEL_WIDTH, zero - 0.5, this.width - LABEL_WIDTH, 1);
    g.strokeStyle = this.theme.channels[channel];
    g.lineWidth = 1.25;
    g.beginPath();
    this.trace(channel, zero, centred ? pitch * OVERLAP : pitch - 8);
    g.stroke();
  }

  // One column of pixels shows the smallest and the largest value that fall into it. Columns are tied
  // to the count of samples, so that what scrolls by keeps its shape.
  private trace(channel: number, zero: number, half: number): void {
    const { filled, rate, total } = this.traces;
    const columns = Math.max(1, Math.floor(this.width - LABEL_WIDTH));
    const perColumn = (SECONDS * rate) / columns;
    const oldest = total - Math.min(filled, Math.round(SECONDS * rate));
    const last = Math.floor((total - 1) / perColumn);
    let pen = false;
    let n = total - 1;
    while (n >= oldest) {
      const column = Math.floor(n / perColumn);
      const first = Math.min(n, Math.max(oldest, Math.ceil(column * perColumn)));
      pen = this.column(channel, first, n, this.width - (last - column) - 0.5, zero, half, pen);
      n = first - 1;
    }
  }

  private column(
    channel: number, first: number, last: number, x: number, zero: number, half: number, pen: boolean,
  ): boolean {
    const { values, capacity, head, total, scale } = this.traces;
    const base = channel * capacity;
    let low = Infinity;
    let high = -Infinity;
    for (let n = last; n >= first; n--) {
      const value = values[base + ((head - (total - n) + capacity) % capacity)];
      if (value < low) low = value;
      if (value > high) high = value;
    }
    if (low > high) return false;
    const y1 = zero - Math.min(Math.max(low / scale, -1), 1) * half;
    const y2 = zero - Math.min(Math.max(high / scale, -1), 1) * half;
    if (pen) this.context.lineTo(x, y1);
    else this.context.moveTo(x, y1);
    if (y2 !== y1) this.context.lineTo(x, y2);
    return true;
  }
}

const CHANNEL_LABELS = Array.from({ length: CHANNELS }, (_, i) => String(i + 1));
export const STRIP_SECONDS = SECONDS;
