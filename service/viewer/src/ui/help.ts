/** The help: what the page shows, how to connect an armband, what the numbers mean, and the keys. */

import { element } from "./dom";

/** Open the help from its button, and at the numbers from the button below them. */
export function bindHelp(): void {
  const dialog = element<HTMLDialogElement>("help-dialog");
  element<HTMLElement>("help").addEventListener("click", showHelp);
  element<HTMLElement>("explain").addEventListener("click", () => {
    showHelp();
    const numbers = element<HTMLElement>("help-numbers");
    numbers.scrollIntoView();
    numbers.focus();
  });
  // A click on the backdrop has the dialog itself as its target.
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
}

export function showHelp(): void {
  const dialog = element<HTMLDialogElement>("help-dialog");
  dialog.showModal();
  dialog.scrollTop = 0;
}
