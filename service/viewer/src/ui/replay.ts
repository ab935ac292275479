/** Controls of a replayed session: pause, seek, speed. */

import type { ReplayAction } from "@myocast/client";

import type { Store } from "../store";
import { element, setData, setHidden, setText } from "./dom";
import { duration } from "./format";

const SPEEDS = [0.1, 0.25, 0.5, 1, 1.5, 2, 5, 10, 20, 50, 100];
const JUMP_SECONDS = 5;
/** How long a requested position is shown while the server does not report it, ms. */
const SEEK_TIMEOUT_MS = 2000;
/** Longest time that the position is extrapolated after a status message, which comes once a second, ms. */
const EXTRAPOLATE_MS = 1500;

export class ReplayView {
  private readonly box = element<HTMLElement>("replay");
  private readonly play = element<HTMLButtonElement>("play");
  private readonly seek = element<HTMLInputElement>("seek");
  private readonly speed = element<HTMLSelectElement>("speed");
  private readonly position = element<HTMLElement>("position");
  private readonly length = element<HTMLElement>("duration");
  private dragging = false;
  /** The position that was requested last, until the server reports it. */
  private requested: { value: number; untilMs: number } | null = null;
  private statusAtMs = 0;
  private statusT = 0;

  constructor(
    private readonly store: Store,
    private readonly send: (action: ReplayAction) => void,
  ) {
    for (const speed of SPEEDS) this.addSpeed(speed);
    this.play.addEventListener("click", () => this.toggle());
    this.seek.addEventListener("input", () => {
      this.dragging = true;
      setText(this.position, duration(Number(this.seek.value)));
    });
    this.seek.addEventListener("change", () => {
      this.dragging = false;
      this.seekTo(Number(this.seek.value));
    });
    this.speed.addEventListener("change", () => this.send({ action: "speed", value: Number(this.speed.value) }));
  }

  toggle(): void {
    const { state } = this.store.current;
    if (this.store.replay) this.send({ action: state === "paused" || state === "ended" ? "resume" : "pause" });
  }

  /** Jump forward (1) or back (-1). */
  jump(direction: number): void {
    const replay = this.store.replay;
    if (!replay) return;
    const to = Number(this.seek.value) + direction * JUMP_SECONDS;
    this.seekTo(Math.min(Math.max(to, 0), Math.max(replay.duration_s - 0.1, 0)));
  }

  // The slider stays at the requested position until the server reports it, instead of jumping back in between.
  private seekTo(value: number): void {
    this.seek.value = String(value);
    this.requested = { value, untilMs: performance.now() + SEEK_TIMEOUT_MS };
    this.send({ action: "seek", value });
  }

  /** One step faster (1) or slower (-1). */
  step(direction: number): void {
    const replay = this.store.replay;
    if (!replay) return;
    const next = direction > 0 ? SPEEDS.find((s) => s > replay.speed) : SPEEDS.findLast((s) => s < replay.speed);
    if (next !== undefined) this.send({ action: "speed", value: next });
  }

  show(): void {
    const replay = this.store.replay;
    setHidden(this.box, replay === null);
    if (!replay) return;
    const { state, status } = this.store.current;
    const stopped = state === "paused" || state === "ended";
    setData(this.play, "paused", String(stopped));
    this.play.setAttribute("aria-label", stopped ? "Play" : "Pause");
    for (const control of [this.play, this.seek, this.speed]) control.disabled = !this.store.online;
    this.seek.max = String(replay.duration_s);
    setText(this.length, duration(replay.duration_s));
    if (document.activeElement !== this.speed) {
      this.addSpeed(replay.speed);
      this.speed.value = String(replay.speed);
    }
    this.showPosition(status?.t ?? 0, replay.position_s, state === "replay" ? replay.speed : 0, replay.duration_s);
  }

  // Between two status messages the position is extrapolated at the replay's speed.
  private showPosition(t: number, position: number, speed: number, length: number): void {
    if (this.dragging) return;
    const now = performance.now();
    if (t !== this.statusT) {
      this.statusT = t;
      this.statusAtMs = now;
    }
    if (this.requested && (now > this.requested.untilMs || Math.abs(position - this.requested.value) < 1)) this.requested = null;
    const at = this.requested?.value ?? Math.min(position + (Math.min(now - this.statusAtMs, EXTRAPOLATE_MS) / 1000) * speed, length);
    this.seek.value = String(at);
    this.seek.setAttribute("aria-valuetext", `${duration(at)} of ${duration(length)}`);
    setText(this.position, duration(at));
  }

  /** Add a speed to the menu, in order, unless it is there. */
  private addSpeed(speed: number): void {
    const options = [...this.speed.options];
    if (options.some((option) => Number(option.value) === speed)) return;
    const after = options.find((option) => Number(option.value) > speed) ?? null;
    this.speed.add(new Option(`${speed}×`, String(speed)), after);
  }
}
