/** *Teach*: labels from the webcam or from prompts, and the personal model that is learned from them. */

import type { Pose, Side } from "@myocast/client";

import { quoted } from "../ui/commandLine";
import { setHidden, setText } from "../ui/dom";
import { fileName, NAME_PATTERN, NAME_TITLE } from "../ui/names";
import type { WebcamLabel } from "../webcam/labels";
import { SteadyClock } from "../webcam/steadyClock";
import type { Labels, Personal } from "./armStatus";
import { button, make } from "./dom";
import { ErrorChart } from "./errorChart";
import { failureText, sentence } from "./missing";
import type { GuideContext, Step } from "./step";
import { WebcamPanel } from "./webcamPanel";
import { errorText, errorValue, labelsText, promptText } from "./words";

/** Labels of more than this do not become better after so long, s. */
const ENOUGH_SECONDS = 180;
/** Sources of labels that the server has by itself, so that the page's webcam is not needed. */
const OTHER_SOURCES: ReadonlySet<string> = new Set(["leap", "hts", "prompts"]);
const INTRO = "The webcam sees what your hand does, and the model learns what your EMG means by it.";
const WITHOUT_MODEL =
  "No model fits this armband, so there is none to make yours. What the webcam sees is kept in a recording, from which a model can be trained.";

export class TeachStep implements Step {
  readonly name = "teach";
  readonly title = "Teach";
  readonly needsSignal = true;
  private readonly webcam: WebcamPanel;
  private readonly clock = new SteadyClock();
  private readonly recordingHint = make("p", {
    className: "small-text",
    textContent: "Labels go into the recording that runs. Nothing leaves this computer but for the server you started.",
  });
  private readonly cue = make("strong", { className: "cue" });
  private readonly coming = make("p");
  private readonly level = make("progress", { max: 1 });
  private readonly prompt = make(
    "div", { className: "prompt follow" }, make("small", { textContent: "Follow the green hand" }), this.cue, this.level, this.coming,
  );
  private readonly labels = make("p", { className: "small-text" });
  private readonly command = make("code");
  private readonly follow = button("Follow a green hand", () => void this.followPrompts());
  private readonly withoutCamera = make(
    "div", {},
    make("p", {
      className: "small-text",
      textContent: "Without a camera: a green hand shows movements for two and a half minutes. Do what it does, as far as it does it; that you are a little later is taken into account.",
    }),
    make("p", { className: "actions" }, this.follow),
  );
  /** Where there is no model to learn with, prompts are for a recording. */
  private readonly promptedRecording = make(
    "p", { className: "small-text" }, "Without a camera: stop the server, and follow a green hand instead with ", this.command,
  );
  private readonly truth = make("input", { id: "teach-truth", type: "checkbox" });
  private readonly truthRow = make(
    "p", { className: "row" },
    this.truth, make("label", { htmlFor: "teach-truth", textContent: "This source knows the true hand: learn from it, without a camera" }),
  );
  private readonly intro = make("p");
  private readonly chart = new ErrorChart();
  private readonly progress = make("p", { className: "verdict" });
  private readonly start = button("Learn", () => void this.act(() => this.context.api.personal("start")), "solid");
  private readonly stop = button("Stop learning", () => void this.act(() => this.context.api.personal("stop")), "solid");
  private readonly discard = button("Discard", () => void this.act(() => this.context.api.personal("discard")));
  private readonly keepName = make("input", {
    id: "keep-name", maxLength: 64, autocomplete: "off", spellcheck: false, required: true,
    pattern: NAME_PATTERN, title: NAME_TITLE,
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
  /** The server process and the state of learning at the last update. */
  private session = "";
  private state: Personal["state"] = "none";
  /** Whether prompts were asked for here: they end where this step is left. */
  private isFollowing = false;

  constructor(private readonly context: GuideContext) {
    this.webcam = new WebcamPanel(context, (label) => this.onWebcamLabel(label));
    this.progress.setAttribute("role", "status");
    this.labels.setAttribute("role", "status");
    this.cue.setAttribute("aria-live", "polite");
    this.level.setAttribute("aria-label", "How much of the movement");
    this.truth.addEventListener("change", () => {
      this.webcam.stop();
      this.show();
    });
    this.keep.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.act(() => this.context.api.keep(fileName(this.keepName.value)));
    });
    this.body = make(
      "div", {},
      this.intro, this.prompt, this.truthRow, this.webcam.element, this.labels, this.recordingHint, this.learning,
      this.withoutCamera, this.promptedRecording, this.error,
    );
  }

  available(): boolean {
    return true;
  }

  show(): void {
    this.clock.update(this.context.client(), this.context.session());
    const withoutModel = this.context.device().entry.device !== null && this.context.device().entry.model === null;
    setText(this.intro, withoutModel ? WITHOUT_MODEL : INTRO);
    const learns = this.context.has("personal") && !withoutModel;
    setHidden(this.learning, !learns);
    const hasTruth = this.context.has("personal") && Boolean(this.context.device().pose?.truth);
    setHidden(this.truthRow, !hasTruth);
    const labels = this.context.status()?.labels ?? null;
    const byPage = labels === null || !OTHER_SOURCES.has(labels.source);
    const byTruth = hasTruth && this.truth.checked;
    setHidden(this.webcam.element, byTruth || !byPage);
    setHidden(this.recordingHint, byTruth);
    const uri = this.context.device().entry.device?.uri;
    const isLearning = this.context.status()?.personal?.state === "learning";
    setHidden(this.withoutCamera, byTruth || !learns || isLearning || labels !== null || isPlayedBack(uri));
    setHidden(this.promptedRecording, learns || labels !== null);
    setText(this.command, `myocast record ${promptedSource(uri)} my-arm.mcap --labels prompts`);
    setText(this.labels, labels ? labelsText(labels) : "");
    setHidden(this.labels, labels === null);
    setHidden(this.intro, !byPage);
    this.showPrompt(labels?.prompt ?? null);
    const personal = this.context.status()?.personal ?? null;
    const state = personal?.state ?? "none";
    this.noticeRestart(state);
    setHidden(this.start, state === "learning");
    setHidden(this.stop, state !== "learning");
    setHidden(this.discard, state === "none");
    setHidden(this.keep, state !== "ready");
    setText(this.start, state === "none" ? "Learn" : "Learn more");
    this.start.className = state === "ready" ? "small" : "solid";
    const trouble = this.refusal || sentence(personal?.error?.message ?? "");
    setText(this.error, trouble);
    setHidden(this.error, trouble === "");
    this.showErrors(personal);
  }

  private showPrompt(prompt: Labels["prompt"]): void {
    setHidden(this.prompt, prompt === null);
    if (!prompt) return;
    setText(this.cue, promptText(prompt));
    this.level.value = prompt.now;
    const next = prompt.next ? `Next: ${promptText(prompt.next)}, in ${Math.max(Math.ceil(prompt.next.in_s), 0)} s. ` : "";
    setText(this.coming, `${next}${Math.ceil(prompt.left_s)} s to go.`);
  }

  leave(): void {
    this.webcam.stop();
    if (this.isFollowing && this.context.status()?.labels?.prompt) void this.act(() => this.context.api.personal("stop"));
    this.isFollowing = false;
    this.session = "";
  }

  private async followPrompts(): Promise<void> {
    this.webcam.stop();
    await this.act(() => this.context.api.followPrompts());
    this.isFollowing = this.refusal === "";
    // On a phone the hand to follow is above the steps.
    if (this.isFollowing) scrollTo({ top: 0 });
  }

  /** A server that was started anew has forgotten what was not kept; what was being learned begins again by itself. */
  private noticeRestart(state: Personal["state"]): void {
    const session = this.context.session();
    const restarted = this.session !== "" && session !== this.session;
    const lost = restarted && state === "none" ? this.state : "none";
    // Until the new process has told its state, the old one's counts.
    if (this.context.status() === null) return;
    [this.session, this.state] = [session, state];
    if (lost === "none") return;
    this.refusal = "The server was started anew, and what it had learned before is gone.";
    if (lost === "learning") void this.resume();
  }

  private async resume(): Promise<void> {
    try {
      await this.context.api.personal("start");
      this.refusal += " It learns again: go on moving.";
    } catch (error) {
      this.refusal += ` ${failureText(error)}`;
    }
    this.show();
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
    this.clock.update(this.context.client(), this.context.session());
    const t = this.clock.serverTime(label.t);
    if (t !== null) this.send(t, label.hand, label.joints, "webcam", Math.min(label.confidence, 1));
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
      this.refusal = failureText(error);
    }
    this.show();
  }
}

/** The source of a recording with prompts: what is played back cannot follow them. */
function promptedSource(uri: string | undefined): string {
  return uri === undefined || isPlayedBack(uri) ? "SOURCE" : quoted(uri);
}

function isPlayedBack(uri: string | undefined): boolean {
  return uri !== undefined && /^(demo|replay):/.test(uri);
}

function progressSentence(personal: Personal): string {
  if (personal.state === "none") return "";
  const seconds = `${Math.floor(personal.seconds)} s of labels`;
  if (errorValue(personal.before) === null || errorValue(personal.after) === null) return `${seconds}. Go on moving.`;
  const change = `Error before ${errorText(personal.before)}, now ${errorText(personal.after)}`;
  const more = personal.state === "learning" && personal.seconds < ENOUGH_SECONDS ? " Go on moving." : "";
  return `${seconds}. ${change}.${more}`;
}
