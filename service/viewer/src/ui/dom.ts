/** Access to the page's elements; the setters write to the document only when a value changed. */

/** @throws Error - index.html has no element of this id. */
export function element<T extends Element>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no element #${id}`);
  return found as unknown as T;
}

export function setText(target: Element, text: string): void {
  if (target.textContent !== text) target.textContent = text;
}

/** Set a text whose parts between backquotes are shown as code. */
export function setTextWithCode(target: Element, text: string): void {
  const parts = text.split("`");
  if (target.textContent === parts.join("")) return;
  target.replaceChildren(...parts.map((part, i) => (i % 2 === 1 ? codeElement(part) : part)));
}

function codeElement(text: string): HTMLElement {
  const code = document.createElement("code");
  code.textContent = text;
  return code;
}

export function setHidden(target: HTMLElement, hidden: boolean): void {
  if (target.hidden !== hidden) target.hidden = hidden;
}

export function setData(target: HTMLElement, key: string, value: string): void {
  if (target.dataset[key] !== value) target.dataset[key] = value;
}
