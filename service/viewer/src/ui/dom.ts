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

export function setHidden(target: HTMLElement, hidden: boolean): void {
  if (target.hidden !== hidden) target.hidden = hidden;
}

export function setData(target: HTMLElement, key: string, value: string): void {
  if (target.dataset[key] !== value) target.dataset[key] = value;
}
