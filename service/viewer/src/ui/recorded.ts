/** What was recorded last: where its file is, and how to download, open and watch it. */

import type { Api, RecordingStatus } from "@myocast/client";

import { isWindowsPath, quoted } from "./commandLine";
import { element, setHidden, setText } from "./dom";
import { bytes, duration } from "./format";

/** How long a button says that it has copied, ms. */
const COPIED_MS = 2000;

/** The answer to `GET /api/v1/recordings`. */
interface RecordingList {
  folder: string;
  recordings: readonly { name: string; bytes: number; modified: number; running: boolean }[];
}

export class Recorded {
  private readonly box = element<HTMLElement>("recorded");
  private readonly name = element<HTMLElement>("recorded-name");
  private readonly size = element<HTMLElement>("recorded-size");
  private readonly file = element<HTMLElement>("recorded-file");
  private readonly unknown = element<HTMLElement>("recorded-unknown");
  private readonly download = element<HTMLAnchorElement>("recorded-download");
  private readonly folder = element<HTMLElement>("recorded-folder");
  private readonly command = element<HTMLElement>("recorded-command");

  constructor(private readonly api: () => Api) {
    element<HTMLElement>("recorded-close").addEventListener("click", () => this.hide());
    for (const button of this.box.querySelectorAll<HTMLButtonElement>("[data-copies]")) {
      // Browsers give the clipboard only to pages of this computer and to https.
      setHidden(button, !navigator.clipboard);
      button.addEventListener("click", () => void copy(button));
    }
  }

  async show(recording: RecordingStatus): Promise<void> {
    setText(this.name, `${recording.name}.mcap`);
    setText(this.size, `is recorded: ${duration(recording.seconds)}, ${bytes(recording.bytes)}.`);
    setHidden(this.file, true);
    setHidden(this.unknown, true);
    setHidden(this.box, false);
    const list = await this.list();
    // Another recording may have been stopped meanwhile.
    if (list === null || this.name.textContent !== `${recording.name}.mcap`) return;
    const found = list.recordings.some((one) => one.name === recording.name);
    setHidden(this.file, !found);
    setHidden(this.unknown, found);
    if (!found) return;
    this.download.href = this.api().recordingAddress(recording.name);
    setText(this.folder, list.folder);
    setText(this.command, `myocast serve ${quoted(inFolder(list.folder, `${recording.name}.mcap`))}`);
  }

  hide(): void {
    setHidden(this.box, true);
  }

  /** The recordings that the server has; `null` where it does not tell. */
  private async list(): Promise<RecordingList | null> {
    try {
      return (await this.api().recordings()) as RecordingList;
    } catch {
      return null;
    }
  }
}

/** Copy what the button's `data-copies` names; where the browser forbids it, select it for the keyboard. */
async function copy(button: HTMLButtonElement): Promise<void> {
  const source = element<HTMLElement>(button.dataset.copies ?? "");
  const word = button.firstChild as Text;
  try {
    await navigator.clipboard.writeText(source.textContent ?? "");
    word.data = "Copied";
  } catch {
    getSelection()?.selectAllChildren(source);
    word.data = "Selected";
  }
  setTimeout(() => (word.data = "Copy"), COPIED_MS);
}

function inFolder(folder: string, name: string): string {
  const separator = isWindowsPath(folder) ? "\\" : "/";
  return folder.endsWith(separator) ? folder + name : folder + separator + name;
}
