/** Pause, seek and speed of a replayed session. */

import type { ReplayAction } from "@myocast/client";

import type { Desk } from "../desk";
import { element, setData, setHidden, setText } from "./dom";
import { duration } from "./format";

const SPEEDS = [0.1, 0.25, 0.5, 1, 1.5, 2, 5, 10, 20, 50, 100];
const JUMP_SECONDS = 5;
const PATIENCE_MS = 2000;

export class ReplayView {
  private readonly box = element<HTMLElement>("replay");
  private readonly play = element<HTMLButtonElement>("play");
  private readonly seek = element<HTMLInputElement>("seek");
  private readonly speed = element<HTMLSelectElement>("speed");
  private readonly position = element<HTMLElement>("position");
  private readonly length = element<HTMLElement>("duration");
  private dragging = false;
  private target: { value: number; until: number } | null = null;
  private shownAt = 0;
  private statusT = 0;

  constructor(
    private readonly desk: Desk,
    private readonly send: (action: ReplayAction) => void,
  ) {
    for (const speed of SPEEDS) this.offer(speed);
    this.play.addEventListener("click", () => this.toggle());
    this.seek.addEventListener("input", () => {
      this.dragging = true;
      setText(this.position, duration(Number(this.seek.value)));
    });
    this.seek.addEventListener("change", () => {
      this.dragging = false;
      this.go(Number(this.seek.value));
    });
    this.speed.addEventListener("change", () => this.send({ action: "speed", value: Number(this.speed.value) }));
  }

  toggle(): void {
    const { state } = this.desk.current;
    if (this.desk.replay) this.send({ action: state === "paused" || state === "ended" ? "resume" : "pause" });
  }

  /** Jump forward (1) or back (-1). */
  jump(direction: number): void {
    const replay = this.desk.replay;
    if (!replay) return;
    const to = Number(this.seek.value) + direction * JUMP_SECONDS;
    this.go(Math.min(Math.max(to, 0), Math.max(replay.duration_s - 0.1, 0)));
  }

  // The handle stays where the person put it until the server is there.
  private go(value: number): void {
    this.seek.value = String(value);
    this.target = { value, until: performance.now() + PATIENCE_MS };
    this.send({ action: "seek", value });
  }

  /** One step faster (1) or slower (-1). */
  step(direction: number): void {
    const replay = this.desk.replay;
    if (!replay) return;
    const next = direction > 0 ? SPEEDS.find((s) => s > replay.speed) : SPEEDS.findLast((s) => s < replay.speed);
    if (next !== undefined) this.send({ action: "speed", value: next });
  }

  show(): void {
    const replay = this.desk.replay;
    setHidden(this.box, replay === null);
    if (!replay) return;
    const { state, status } = this.desk.current;
    const still = state === "paused" || state === "ended";
    setData(this.play, "paused", String(still));
    this.play.setAttribute("aria-label", still ? "Play" : "Pause");
    for (const control of [this.play, this.seek, this.speed]) control.disabled = !this.desk.online;
    this.seek.max = String(replay.duration_s);
    setText(this.length, duration(replay.duration_s));
    if (document.activeElement !== this.speed) {
      this.offer(replay.speed);
      this.speed.value = String(replay.speed);
    }
    this.place(status?.t ?? 0, replay.position_s, state === "replay" ? replay.speed : 0, replay.duration_s);
  }

  // Between two messages the position runs on at the replay's own speed.
  private place(t: number, position: number, speed: number, length: number): void {
    if (this.dragging) return;
    const now = performance.now();
    if (t !== this.statusT) {
      this.statusT = t;
      this.shownAt = now;
    }
    if (this.target && (now > this.target.until || Math.abs(position - this.target.value) < 1)) this.target = null;
    const at = this.target?.value ?? Math.min(position + (Math.min(now - this.shownAt, 1500) / 1000) * speed, length);
    this.seek.value = String(at);
    this.seek.setAttribute("aria-valuetext", `${duration(at)} of ${duration(length)}`);
    setText(this.position, duration(at));
  }

  private offer(speed: number): void {
    const options = [...this.speed.options];
    if (options.some((option) => Number(option.value) === speed)) return;
    const after = options.find((option) => Number(option.value) > speed) ?? null;
    this.speed.add(new Option(`${speed}×`, String(speed)), after);
  }
}
