/** How much the shown hand can be relied on: a word beside a bar, where the model has a measure for it. */

import type { Store } from "../store";
import { element, setData, setHidden, setText } from "./dom";

/** From here on the hand is probably much nearer to the truth than a still one, which has 0.5. */
const GOOD = 0.6;
/** Below this a still hand would probably be no worse. */
const LOW = 0.4;
/** Share of a new mean that is shown at once: a word that jumps cannot be read. */
const FOLLOW = 0.3;

export class ConfidenceView {
  private readonly cell = element<HTMLElement>("confidence-cell");
  private readonly word = element<HTMLElement>("confidence-word");
  private readonly bar = element<HTMLMeterElement>("confidence-bar");
  private shown: number | null = null;
  private device = -1;

  show(store: Store): void {
    const { current, selected } = store;
    const flows = store.online && current.isFlowing && current.poseRate.perSecond > 0;
    const mean = current.confidence.take();
    if (selected !== this.device || !flows) this.shown = null;
    this.device = selected;
    if (mean !== null && flows) this.shown = this.shown === null ? mean : this.shown + FOLLOW * (mean - this.shown);
    setHidden(this.cell, current.pose === null || current.pose.confidence === null);
    setText(this.word, this.shown === null ? "–" : this.shown >= GOOD ? "good" : this.shown >= LOW ? "fair" : "low");
    setData(this.word.parentElement as HTMLElement, "tone", this.shown !== null && this.shown < LOW ? "warn" : "");
    this.bar.value = this.shown ?? 0;
  }
}
