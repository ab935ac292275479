/** The row of measured values. */

import type { Store, DeviceState } from "../store";
import { element, setData, setHidden, setText } from "./dom";
import { milliseconds } from "./format";

/** How long a counter is highlighted after it grew, ms. */
const HIGHLIGHT_MS = 3000;
/** Latencies above this are highlighted, ms. */
const SLOW_MS = 150;
const BATTERY_WARN_PERCENT = 20;
const BATTERY_BAD_PERCENT = 10;

/** One value with its unit. */
class Readout {
  private readonly value = document.createTextNode("–");
  private readonly unit = document.createElement("small");
  private lastCount = 0;
  private grownAtMs = -Infinity;

  constructor(private readonly target: HTMLElement) {
    target.replaceChildren(this.value, this.unit);
  }

  set(value: string, unit = "", tone = ""): void {
    if (this.value.data !== value) this.value.data = value;
    setText(this.unit, unit);
    setData(this.target, "tone", tone);
  }

  /** Show a counter of losses, highlighted for a while after it grew. */
  setCount(value: number): void {
    const now = performance.now();
    if (value > this.lastCount && this.value.data !== "–") this.grownAtMs = now;
    this.lastCount = value;
    this.set(value.toLocaleString("en"), "", now - this.grownAtMs < HIGHLIGHT_MS ? "warn" : "");
  }

  clear(): void {
    this.set("–");
  }
}

/** Averages over each update interval, so that the digits stay readable. */
export class Readouts {
  private readonly rate = readout("rate");
  private readonly age = readout("age");
  private readonly latency = readout("latency");
  private readonly lag = readout("lag");
  private readonly skipped = readout("skipped");
  private readonly dropped = readout("dropped");
  private readonly battery = readout("battery");
  private readonly error = readout("error");
  private readonly errorCell = element<HTMLElement>("error-cell");
  private readonly all = [this.rate, this.age, this.latency, this.lag, this.skipped, this.dropped, this.battery, this.error];

  show(store: Store): void {
    const device = store.current;
    if (!store.online) {
      for (const readout of this.all) readout.clear();
      this.showError(device, false);
      return;
    }
    const rate = device.poseRate.perSecond;
    if (device.entry.model && device.isFlowing) this.rate.set(rate.toFixed(rate < 10 && rate > 0 ? 1 : 0), "/s");
    else this.rate.clear();
    this.showLatency(this.age, device.ageMs.take(), device.isFlowing ? rate : 0);
    this.showLatency(this.latency, device.latencyMs.take(), device.isFlowing ? rate : 0);
    this.showLag(device);
    this.skipped.setCount(device.skippedWindows);
    this.dropped.setCount(device.status?.dropped ?? 0);
    this.showBattery(device.status?.battery ?? null);
    this.showError(device, true);
  }

  private showLatency(readout: Readout, value: number | null, poseRate: number): void {
    // Without new poses the last value would look like the current one.
    if (poseRate === 0) readout.clear();
    else if (value !== null) readout.set(milliseconds(value), "ms", value > SLOW_MS ? "warn" : "");
  }

  private showLag(device: DeviceState): void {
    const lag = device.lagMs;
    if (lag === null) this.lag.clear();
    else this.lag.set(Math.round(lag).toString().replace("-", "−"), "ms");
  }

  private showBattery(percent: number | null): void {
    if (percent === null) this.battery.clear();
    else this.battery.set(String(percent), "%", percent <= BATTERY_BAD_PERCENT ? "bad" : percent <= BATTERY_WARN_PERCENT ? "warn" : "");
  }

  private showError(device: DeviceState, online: boolean): void {
    const hasTruth = device.pose !== null && device.pose.truth !== null;
    setHidden(this.errorCell, !hasTruth);
    const error = device.errorMm.take();
    if (!online || !device.isFlowing || device.poseRate.perSecond === 0) this.error.clear();
    else if (hasTruth && error !== null) this.error.set(error.toFixed(1), "mm");
  }
}

function readout(id: string): Readout {
  return new Readout(element<HTMLElement>(id));
}
