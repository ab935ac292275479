/** What was recorded last, and how to watch it again. */

import type { RecordingStatus } from "@myocast/client";

import { element, setHidden, setText } from "./dom";
import { bytes, duration } from "./format";

export class Recorded {
  private readonly box = element<HTMLElement>("recorded");
  private readonly name = element<HTMLElement>("recorded-name");
  private readonly size = element<HTMLElement>("recorded-size");
  private readonly command = element<HTMLElement>("recorded-command");
  private readonly copy = element<HTMLButtonElement>("recorded-copy");

  constructor() {
    element<HTMLElement>("recorded-close").addEventListener("click", () => this.hide());
    // Browsers give the clipboard only to pages of this computer and to https.
    setHidden(this.copy, !navigator.clipboard);
    this.copy.addEventListener("click", () => void this.copyCommand());
  }

  show(recording: RecordingStatus): void {
    setText(this.name, `${recording.name}.mcap`);
    setText(this.size, `is recorded: ${duration(recording.seconds)}, ${bytes(recording.bytes)}.`);
    setText(this.command, `myocast serve recordings/${recording.name}.mcap`);
    setText(this.copy, "Copy");
    setHidden(this.box, false);
  }

  hide(): void {
    setHidden(this.box, true);
  }

  private async copyCommand(): Promise<void> {
    try {
      await navigator.clipboard.writeText(this.command.textContent ?? "");
      setText(this.copy, "Copied");
    } catch {
      getSelection()?.selectAllChildren(this.command);
      setText(this.copy, "Selected");
    }
  }
}
