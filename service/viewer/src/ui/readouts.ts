/** The numbers that are always in sight. */

import type { Desk, DeviceView } from "../desk";
import { element, setData, setHidden, setText } from "./dom";
import { milliseconds } from "./format";

const FRESH_MS = 3000;

/** A value with its unit in small print. */
class Cell {
  private readonly value = document.createTextNode("–");
  private readonly unit = document.createElement("small");
  private counted = 0;
  private grownAt = -Infinity;

  constructor(private readonly target: HTMLElement) {
    target.replaceChildren(this.value, this.unit);
  }

  set(value: string, unit = "", tone = ""): void {
    if (this.value.data !== value) this.value.data = value;
    setText(this.unit, unit);
    setData(this.target, "tone", tone);
  }

  /** A count that should not grow: it stands out for a while after it did. */
  count(value: number): void {
    const now = performance.now();
    if (value > this.counted && this.value.data !== "–") this.grownAt = now;
    this.counted = value;
    this.set(value.toLocaleString("en"), "", now - this.grownAt < FRESH_MS ? "warn" : "");
  }

  none(): void {
    this.set("–");
  }
}

/** See the module. Updated a few times a second, so that digits can be read. */
export class Readouts {
  private readonly rate = cell("rate");
  private readonly age = cell("age");
  private readonly latency = cell("latency");
  private readonly skipped = cell("skipped");
  private readonly dropped = cell("dropped");
  private readonly battery = cell("battery");
  private readonly error = cell("error");
  private readonly errorCell = element<HTMLElement>("error-cell");

  show(desk: Desk): void {
    const device = desk.current;
    if (!desk.online) {
      for (const cell of [this.rate, this.age, this.latency, this.battery, this.dropped]) cell.none();
      return;
    }
    const rate = device.pace.perSecond;
    if (device.entry.model) this.rate.set(rate.toFixed(rate < 10 && rate > 0 ? 1 : 0), "/s");
    else this.rate.none();
    this.milliseconds(this.age, device.age.take());
    this.milliseconds(this.latency, device.screen.take());
    this.skipped.count(device.skipped);
    this.dropped.count(device.status?.dropped ?? 0);
    this.charge(device.status?.battery ?? null);
    this.offTruth(device);
  }

  private milliseconds(cell: Cell, value: number | null): void {
    if (value !== null) cell.set(milliseconds(value), "ms", value > 150 ? "warn" : "");
  }

  private charge(percent: number | null): void {
    if (percent === null) this.battery.none();
    else this.battery.set(String(percent), "%", percent <= 10 ? "bad" : percent <= 20 ? "warn" : "");
  }

  private offTruth(device: DeviceView): void {
    const known = device.pose !== null && device.pose.truth !== null;
    setHidden(this.errorCell, !known);
    const error = device.error.take();
    if (known && error !== null) this.error.set(error.toFixed(1), "mm");
  }
}

function cell(id: string): Cell {
  return new Cell(element<HTMLElement>(id));
}
