/** The record button, and the name, length and size of the running recording. */

import { ApiError, type RecordingAction } from "@myocast/client";

import type { Store } from "../store";
import { element, setData, setHidden, setText } from "./dom";
import { bytes, duration } from "./format";

export class RecordingView {
  private readonly form = element<HTMLFormElement>("record");
  private readonly button = element<HTMLButtonElement>("record-button");
  private readonly name = element<HTMLInputElement>("record-name");
  private readonly title = element<HTMLElement>("record-title");
  private readonly size = element<HTMLElement>("record-size");
  private readonly error = element<HTMLElement>("record-error");
  private readonly idle = this.form.querySelector(".idle") as HTMLElement;
  private readonly running = this.form.querySelector(".running") as HTMLElement;
  private busy = false;

  constructor(
    private readonly store: Store,
    private readonly send: (action: RecordingAction) => Promise<unknown>,
  ) {
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.toggle();
    });
  }

  /** Start a recording, or stop the running one. */
  async toggle(): Promise<void> {
    if (this.busy || !this.store.online || !this.form.reportValidity()) return;
    this.busy = true;
    const name = this.name.value.trim();
    const start: RecordingAction = name ? { action: "start", name } : { action: "start" };
    try {
      await this.send(this.recording ? { action: "stop" } : start);
      this.name.value = "";
      setHidden(this.error, true);
    } catch (error) {
      setText(this.error, error instanceof ApiError ? error.message : "The server did not respond.");
      setHidden(this.error, false);
    } finally {
      this.busy = false;
    }
  }

  show(): void {
    const recording = this.recording;
    setData(this.form, "running", String(recording !== null));
    setHidden(this.idle, recording !== null);
    setHidden(this.running, recording === null);
    setText(this.button.querySelector("span") as HTMLElement, recording ? "Stop" : "Record");
    this.button.disabled = !this.store.online;
    if (!recording) return;
    setText(this.title, recording.name);
    setText(this.size, `${duration(recording.seconds)} · ${bytes(recording.bytes)}`);
  }

  private get recording() {
    return this.store.devices.find((device) => device.status?.recording)?.status?.recording ?? null;
  }
}
