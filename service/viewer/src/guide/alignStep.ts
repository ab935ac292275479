/** *Align*: a few movements tell how the band sits on the arm; what is found is undone. */

import { setHidden, setText } from "../ui/dom";
import type { Alignment } from "./armStatus";
import { BandDrawing } from "./bandDrawing";
import { button, make } from "./dom";
import { failureText, sentence } from "./missing";
import type { GuideContext, Step } from "./step";
import { alignmentSentence, CUES, FAIR_SCORE } from "./words";

const INTRO =
  "Half a minute of short movements tells how the band sits on your arm today. Follow each prompt until the bar is empty.";
const WITHOUT_MODEL = "No model fits this armband, so there is nothing to align it to. Use tells where to get one.";

export class AlignStep implements Step {
  readonly name = "align";
  readonly title = "Align";
  readonly needsSignal = true;
  private readonly intro = make("p");
  private readonly count = make("small");
  private readonly cue = make("strong", { className: "cue" });
  private readonly what = make("p");
  private readonly left = make("progress", { max: 1 });
  private readonly prompt = make("div", { className: "prompt" }, this.count, this.cue, this.what, this.left);
  private readonly drawing = new BandDrawing();
  private readonly result = make("p", { className: "verdict" });
  private readonly again = make("p", { className: "error" });
  private readonly start = button("Start", () => void this.act("start"), "solid");
  private readonly cancel = button("Cancel", () => void this.act("cancel"));
  private readonly reset = button("Undo the alignment", () => void this.act("reset"));
  readonly body = make(
    "div", {},
    this.intro, this.prompt, this.drawing.element as unknown as HTMLElement, this.result, this.again,
    make("p", { className: "actions" }, this.start, this.cancel, this.reset),
  );
  /** The longest time left that the current cue has shown: the length of the bar, s. */
  private cueSeconds = 0;
  private shownCue = "";
  private refusal = "";

  constructor(private readonly context: GuideContext) {
    this.cue.setAttribute("aria-live", "assertive");
    this.result.setAttribute("role", "status");
    this.left.setAttribute("aria-label", "Time left");
  }

  available(): boolean {
    return this.context.has("alignment");
  }

  show(): void {
    const alignment = this.context.status()?.alignment ?? null;
    const running = alignment?.state === "running";
    const result = alignment?.state === "done" ? alignment.result : null;
    const withoutModel = this.context.device().entry.device !== null && this.context.device().entry.model === null;
    setText(this.intro, withoutModel ? WITHOUT_MODEL : INTRO);
    setHidden(this.intro, running || result !== null);
    setHidden(this.prompt, !running);
    setHidden(this.start, running || withoutModel);
    this.start.className = result && (result.score ?? 1) >= FAIR_SCORE ? "small" : "solid";
    setHidden(this.cancel, !running);
    setHidden(this.reset, running || !alignment?.applied);
    setHidden(this.result, result === null);
    this.drawing.element.toggleAttribute("hidden", result === null || result.turn_deg === null);
    if (result) this.drawing.showTurn(this.context.device().side, result);
    setText(this.start, alignment?.state === "done" || alignment?.state === "failed" ? "Once more" : "Start");
    setText(this.result, result ? alignmentSentence(result) : "");
    const trouble = this.refusal || sentence(alignment?.again?.message ?? alignment?.error?.message ?? "");
    setText(this.again, trouble);
    setHidden(this.again, trouble === "");
    if (alignment && running) this.showPrompt(alignment);
  }

  leave(): void {
    if (this.context.status()?.alignment?.state === "running") void this.act("cancel");
  }

  private showPrompt(alignment: Alignment): void {
    const cue = alignment.cue ?? "";
    const [name, what] = CUES[cue] ?? [cue || "Wait", ""];
    const key = `${cue} ${alignment.phase ?? ""}`;
    if (key !== this.shownCue) this.cueSeconds = 0;
    this.shownCue = key;
    this.cueSeconds = Math.max(this.cueSeconds, alignment.left_s);
    setText(this.count, cue ? `${(alignment.cues as readonly string[]).indexOf(cue) + 1} of ${alignment.cues.length}` : "");
    setText(this.cue, alignment.phase === "prepare" ? `Get ready: ${name}` : name);
    setText(this.what, what);
    this.left.value = this.cueSeconds > 0 ? alignment.left_s / this.cueSeconds : 0;
  }

  private async act(action: "start" | "cancel" | "reset"): Promise<void> {
    this.refusal = "";
    try {
      await this.context.api.alignment(action);
    } catch (error) {
      this.refusal = failureText(error);
    }
    this.show();
  }
}
