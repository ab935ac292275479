/** Makes elements. */

type Child = Node | string | null;

/** An element of this kind with these properties and children; `null` children are left out. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K, properties: Partial<HTMLElementTagNameMap[K]> = {}, ...children: Child[]
): HTMLElementTagNameMap[K] {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children.filter((child) => child !== null));
  return made;
}

/** A button that runs `onClick`. */
export function button(label: string, onClick: () => void, className = "small"): HTMLButtonElement {
  const made = make("button", { type: "button", className, textContent: label });
  made.addEventListener("click", onClick);
  return made;
}
