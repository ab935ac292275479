/** *Check*: the state of the eight channels, and what to do about it. */

import { setHidden, setText } from "../ui/dom";
import { BandDrawing } from "./bandDrawing";
import { make } from "./dom";
import { sentence } from "./missing";
import type { GuideContext, Step } from "./step";
import { CHANNEL_STATES } from "./words";

export class CheckStep implements Step {
  readonly name = "check";
  readonly title = "Check";
  readonly needsSignal = true;
  private readonly drawing = new BandDrawing();
  private readonly verdict = make("p", { className: "verdict" });
  private readonly hints = make("ul");
  readonly body = make("div", {}, this.drawing.element as unknown as HTMLElement, this.verdict, this.hints);

  constructor(private readonly context: GuideContext) {
    this.verdict.setAttribute("role", "status");
  }

  available(): boolean {
    // It stays while the armband is silent: then the signal is null.
    return this.context.status()?.signal !== undefined;
  }

  show(): void {
    const signal = this.context.status()?.signal ?? null;
    this.drawing.show(this.context.device().side, signal);
    const bad = signal?.channels.filter((channel) => channel.state !== "good") ?? [];
    const verdict = bad.length === 0 ? "All eight channels are good." : `${bad.length} of 8 channels need a look.`;
    setText(this.verdict, signal ? verdict : "Waiting for the signal.");
    setHidden(this.hints, bad.length === 0);
    const lines = bad.map(({ channel, state, hint }) => `Channel ${channel}: ${CHANNEL_STATES[state]}. ${sentence(hint)}`.trim());
    if (lines.join() === [...this.hints.children].map((line) => line.textContent).join()) return;
    this.hints.replaceChildren(...lines.map((line) => make("li", { textContent: line })));
  }
}
