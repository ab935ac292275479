/** Keyboard shortcuts, and their list in the help. */

import { element } from "./dom";
import { showHelp } from "./help";

export interface KeyBinding {
  /** As in `KeyboardEvent.key`. */
  keys: readonly string[];
  /** As listed in the help; absent = not listed. */
  shown?: readonly string[];
  does: string;
  run: (key: string) => void;
}

/** Handle these keys, and the help key, on the whole page, except in controls that use them themselves. */
export function bindKeys(pageBindings: readonly KeyBinding[]): void {
  const dialog = element<HTMLDialogElement>("help-dialog");
  const help: KeyBinding = { keys: ["?", "h"], shown: ["?"], does: "this help", run: showHelp };
  const bindings = [...pageBindings, help];
  const list = element<HTMLElement>("keys-list");
  for (const binding of bindings) if (binding.shown) list.append(...helpLine(binding.shown, binding.does));
  const table = new Map(bindings.flatMap((binding) => binding.keys.map((key) => [key, binding] as const)));
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || dialog.open || usesKey(event.target, event.key)) return;
    const binding = table.get(event.key.length === 1 ? event.key.toLowerCase() : event.key);
    if (!binding) return;
    event.preventDefault();
    binding.run(event.key);
  });
}

/** Whether a focused control uses this key itself. */
function usesKey(target: EventTarget | null, key: string): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target instanceof HTMLInputElement && target.type === "range") return key.startsWith("Arrow");
  if (target instanceof HTMLInputElement || target instanceof HTMLSelectElement) return true;
  return target instanceof HTMLButtonElement && (key === " " || key === "Enter");
}

function helpLine(keys: readonly string[], does: string): HTMLElement[] {
  const term = document.createElement("dt");
  for (const key of keys) {
    const keycap = document.createElement("kbd");
    keycap.textContent = key;
    term.append(keycap);
  }
  const text = document.createElement("dd");
  text.textContent = does;
  return [term, text];
}
