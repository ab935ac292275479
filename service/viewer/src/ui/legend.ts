/** What the colours of the hands mean, and what kind of source this is. */

import type { DeviceState, Store } from "../store";
import { promptText } from "../guide/words";
import { element, setHidden, setText } from "./dom";

export class Legend {
  private readonly model = element<HTMLElement>("legend-model");
  private readonly neutral = element<HTMLElement>("legend-neutral");
  private readonly truth = element<HTMLElement>("legend-truth");
  private readonly ghost = element<HTMLElement>("legend-ghost");
  private readonly note = element<HTMLElement>("source-note");

  show(store: Store, truthIsDrawn: boolean): void {
    const device = store.current;
    setHidden(this.model, !device.isPredicted);
    setText(this.model.lastElementChild as HTMLElement, `Predicted from the EMG${lagText(device.lagMs)}`);
    setHidden(this.neutral, device.isPredicted || !device.entry.device);
    setText(this.neutral.querySelector("span") as HTMLElement, neutralLabel(device));
    setHidden(this.truth, !device.isPredicted || !device.pose?.truth || !truthIsDrawn);
    const prompt = device.status?.labels?.prompt ?? null;
    setHidden(this.ghost, prompt === null);
    if (prompt) setText(this.ghost.lastElementChild as HTMLElement, `Follow this hand: ${promptText(prompt)}`);
    const note = sourceNote(device.entry.device?.uri ?? "");
    setHidden(this.note, note === "");
    setText(this.note, note);
  }
}

/** How far the predicted hand is behind, in words; nothing where that is not known. */
function lagText(lagMs: number | null): string {
  if (lagMs === null) return "";
  const rounded = Math.round(lagMs / 5) * 5;
  if (rounded === 0) return ", in time with the hand";
  return `, about ${Math.abs(rounded)} ms ${rounded > 0 ? "behind" : "ahead of"} the hand`;
}

function neutralLabel(device: DeviceState): string {
  return device.entry.model ? "No prediction yet" : "No model: nothing is predicted";
}

function sourceNote(uri: string): string {
  if (uri.startsWith("demo:")) return "Demo: computed EMG of a synthetic stranger, new to the model.";
  if (uri.startsWith("synthetic:")) return "Synthetic source: computed EMG of a person who does not exist.";
  return "";
}
