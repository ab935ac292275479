/** Keys, and the list that explains them. */

import { element } from "./dom";

export interface KeyBinding {
  /** As in `KeyboardEvent.key`. */
  keys: readonly string[];
  /** As shown in the help; absent = not shown. */
  shown?: readonly string[];
  does: string;
  run: (key: string) => void;
}

/** Listens to the whole page, except where the person types. */
export function bindKeys(bindings: readonly KeyBinding[]): { showHelp: () => void } {
  const dialog = element<HTMLDialogElement>("keys");
  const list = element<HTMLElement>("keys-list");
  for (const binding of bindings) if (binding.shown) list.append(...helpLine(binding.shown, binding.does));
  const table = new Map(bindings.flatMap((binding) => binding.keys.map((key) => [key, binding] as const)));
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || dialog.open || types(event.target, event.key)) return;
    const binding = table.get(event.key.length === 1 ? event.key.toLowerCase() : event.key);
    if (!binding) return;
    event.preventDefault();
    binding.run(event.key);
  });
  return { showHelp: () => dialog.showModal() };
}

function types(target: EventTarget | null, key: string): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target instanceof HTMLInputElement && target.type === "range") return key.startsWith("Arrow");
  if (target instanceof HTMLInputElement || target instanceof HTMLSelectElement) return true;
  return target instanceof HTMLButtonElement && (key === " " || key === "Enter");
}

function helpLine(keys: readonly string[], does: string): HTMLElement[] {
  const term = document.createElement("dt");
  for (const key of keys) {
    const cap = document.createElement("kbd");
    cap.textContent = key;
    term.append(cap);
  }
  const text = document.createElement("dd");
  text.textContent = does;
  return [term, text];
}
