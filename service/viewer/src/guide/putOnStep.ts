/** *Put on*: how to wear the band. */

import { BandDrawing } from "./bandDrawing";
import { make } from "./dom";
import type { GuideContext, Step } from "./step";

export class PutOnStep implements Step {
  readonly name = "put-on";
  readonly title = "Put on";
  readonly needsSignal = false;
  private readonly drawing = new BandDrawing();
  readonly body = make(
    "div", {},
    this.drawing.element as unknown as HTMLElement,
    make(
      "ol", {},
      make("li", {}, "Slide the band onto the thickest part of the forearm, a hand’s width below the elbow."),
      make("li", {}, "On a right arm channel 3 belongs on the back of the arm, on a left arm channel 7 (a Myo’s logo is on channel 4). The band may be turned: Align finds that out."),
      make("li", {}, "It must not slip when you turn the arm. Give the electrodes two minutes to warm up."),
    ),
  );

  constructor(private readonly context: GuideContext) {}

  available(): boolean {
    return true;
  }

  show(): void {
    this.drawing.show(this.context.device().side, null);
  }
}
