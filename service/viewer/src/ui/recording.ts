/** The record button, and the name, length and size of the running recording. */

import { ApiError, type Api, type RecordingStatus } from "@myocast/client";

import type { Store } from "../store";
import { element, setData, setHidden, setText } from "./dom";
import { bytes, duration } from "./format";
import { fileName, NAME_PATTERN, NAME_TITLE } from "./names";
import { Recorded } from "./recorded";

export class RecordingView {
  private readonly form = element<HTMLFormElement>("record");
  private readonly button = element<HTMLButtonElement>("record-button");
  private readonly name = element<HTMLInputElement>("record-name");
  private readonly title = element<HTMLElement>("record-title");
  private readonly size = element<HTMLElement>("record-size");
  private readonly error = element<HTMLElement>("record-error");
  private readonly idle = this.form.querySelector(".idle") as HTMLElement;
  private readonly running = this.form.querySelector(".running") as HTMLElement;
  private readonly recorded: Recorded;
  private busy = false;
  /** The recording that ran at the last update. */
  private last: RecordingStatus | null = null;

  constructor(
    private readonly store: Store,
    private readonly api: () => Api,
  ) {
    this.recorded = new Recorded(api);
    this.name.pattern = NAME_PATTERN;
    this.name.title = `${NAME_TITLE} Without a name: date and time.`;
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.toggle();
    });
  }

  /** Start a recording, or stop the running one. */
  async toggle(): Promise<void> {
    if (this.busy || !this.store.online || !this.form.reportValidity()) return;
    this.busy = true;
    const name = fileName(this.name.value);
    try {
      const running = this.recording;
      const action = running ? { action: "stop" as const } : { action: "start" as const, ...(name ? { name } : {}) };
      const answer = await this.api().recording(action);
      if (running) this.showRecorded(answer as RecordingStatus);
      else this.recorded.hide();
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
    // Another client, or the end of the source, may have stopped it.
    if (!recording && this.last && this.store.online && this.store.current.status) this.showRecorded(this.last);
    if (!recording) return;
    this.last = recording;
    setText(this.title, recording.name);
    setText(this.size, `${duration(recording.seconds)} · ${bytes(recording.bytes)}`);
  }

  private showRecorded(recording: RecordingStatus): void {
    this.last = null;
    void this.recorded.show(recording);
  }

  private get recording(): RecordingStatus | null {
    if (!this.store.online) return null;
    return this.store.devices.find((device) => device.status?.recording)?.status?.recording ?? null;
  }
}
