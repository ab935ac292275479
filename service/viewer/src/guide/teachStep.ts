/** *Teach*: labels from the webcam, and the personal model that is learned from them. */

import type { Pose, Side } from "@myocast/client";

import { setHidden, setText } from "../ui/dom";
import type { WebcamLabel } from "../webcam/labels";
import type { Personal } from "./armStatus";
import { button, make } from "./dom";
import { ErrorChart } from "./errorChart";
import type { GuideContext, Step } from "./step";
import { WebcamPanel } from "./webcamPanel";
import { errorText, errorValue } from "./words";

/** Labels of more than this do not become better after so long, s. */
const ENOUGH_SECONDS = 180;

export class TeachStep implements Step {
  readonly name = "teach";
  readonly title = "Teach";
  private readonly webcam: WebcamPanel;
  private readonly recordingHint = make("p", {
    className: "small-text",
    textContent: "Labels go into the recording that runs. Nothing leaves this computer but for the server you started.",
  });
  private readonly truth = make("input", { id: "teach-truth", type: "checkbox" });
  private readonly truthRow = make(
    "p", { className: "row" },
    this.truth, make("label", { htmlFor: "teach-truth", textContent: "This source knows the true hand: learn from it, without a camera" }),
  );
  private readonly chart = new ErrorChart();
  private readonly progress = make("p", { className: "verdict" });
  private readonly start = button("Learn", () => void this.act(() => this.context.api.personal("start")), "solid");
  private readonly stop = button("Stop learning", () => void this.act(() => this.context.api.personal("stop")), "solid");
  private readonly discard = button("Discard", () => void this.act(() => this.context.api.personal("discard")));
  private readonly keepName = make("input", {
    id: "keep-name", maxLength: 64, autocomplete: "off", spellcheck: false, required: true,
    pattern: "[A-Za-z0-9][A-Za-z0-9._\\-]*", title: "Letters, digits, dot, dash, underscore",
  });
  private readonly keep = make(
    "form", { className: "row" },
    make("label", { htmlFor: "keep-name", textContent: "Keep as" }), this.keepName, make("button", { className: "solid", textContent: "Keep" }),
  );
  private readonly learning = make(
    "div", {}, this.progress, this.chart.element as unknown as HTMLElement,
    make("p", { className: "actions" }, this.start, this.stop, this.discard), this.keep,
  );
  private readonly error = make("p", { className: "error" });
  readonly body: HTMLElement;
  private refusal = "";

  constructor(private readonly context: GuideContext) {
    this.webcam = new WebcamPanel(context, (label) => this.onWebcamLabel(label));
    this.progress.setAttribute("role", "status");
    this.truth.addEventListener("change", () => {
      this.webcam.stop();
      this.show();
    });
    this.keep.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.act(() => this.context.api.keep(this.keepName.value.trim()));
    });
    this.body = make(
      "div", {},
      make("p", { textContent: "The webcam sees what your hand does, and the model learns what your EMG means by it." }),
      this.truthRow, this.webcam.element, this.recordingHint, this.learning, this.error,
    );
  }

  available(): boolean {
    return true;
  }

  show(): void {
    setHidden(this.learning, !this.context.has("personal"));
    const hasTruth = this.context.has("personal") && Boolean(this.context.device().pose?.truth);
    setHidden(this.truthRow, !hasTruth);
    setHidden(this.webcam.element, hasTruth && this.truth.checked);
    setHidden(this.recordingHint, hasTruth && this.truth.checked);
    const personal = this.context.status()?.personal ?? null;
    const state = personal?.state ?? "none";
    setHidden(this.start, state === "learning");
    setHidden(this.stop, state !== "learning");
    setHidden(this.discard, state === "none");
    setHidden(this.keep, state !== "ready");
    setText(this.start, state === "none" ? "Learn" : "Learn more");
    const trouble = this.refusal || personal?.error?.message || "";
    setText(this.error, trouble);
    setHidden(this.error, trouble === "");
    this.showErrors(personal);
  }

  leave(): void {
    this.webcam.stop();
  }

  private showErrors(personal: Personal | null): void {
    const before = personal && errorValue(personal.before);
    const after = personal && errorValue(personal.after);
    const hasErrors = personal !== null && before !== null && after !== null;
    this.chart.element.toggleAttribute("hidden", !hasErrors);
    if (hasErrors) this.chart.show(personal.seconds, before, after);
    else this.chart.clear();
    setText(this.progress, personal ? progressSentence(personal) : "");
    setHidden(this.progress, this.progress.textContent === "");
  }

  /** Take the true hand of a synthetic source or a recording for a label, if the person chose that. */
  onPose(pose: Pose): void {
    const learning = this.context.status()?.personal?.state === "learning";
    if (!learning || !this.truth.checked || !pose.truth || pose.device !== this.context.deviceIndex()) return;
    this.send(pose.t, pose.hand, pose.truth, "ground truth", 1);
  }

  private onWebcamLabel(label: WebcamLabel): void {
    const now = this.context.client().serverNow();
    if (now === null) return;
    const t = now - (performance.now() / 1000 - label.t);
    this.send(t, label.hand, label.joints, "webcam", Math.min(label.confidence, 1));
  }

  private send(t: number, hand: Side, joints: Float32Array, source: string, confidence: number): void {
    const rounded = Array.from(joints, (value) => Math.round(value * 100) / 100);
    this.context.client().sendLabel({ device: this.context.deviceIndex(), t, hand, joints: rounded, source, confidence });
  }

  private async act(request: () => Promise<unknown>): Promise<void> {
    this.refusal = "";
    try {
      await request();
    } catch (error) {
      this.refusal = error instanceof Error ? error.message : String(error);
    }
    this.show();
  }
}

function progressSentence(personal: Personal): string {
  if (personal.state === "none") return "";
  const seconds = `${Math.floor(personal.seconds)} s of labels`;
  if (errorValue(personal.before) === null || errorValue(personal.after) === null) return `${seconds}. Go on moving.`;
  const change = `Error before ${errorText(personal.before)}, now ${errorText(personal.after)}`;
  const more = personal.state === "learning" && personal.seconds < ENOUGH_SECONDS ? " Go on moving." : "";
  return `${seconds}. ${change}.${more}`;
}
