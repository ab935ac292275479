/** The webcam as the source of labels: its picture, the person's hand length, and the two reference poses. */

import { setData, setHidden, setText } from "../ui/dom";
import type { Sighting, WebcamLabel, WebcamLabels } from "../webcam/labels";
import { drawReference } from "../webcam/referenceDrawing";
import { button, make } from "./dom";
import type { GuideContext } from "./step";

const HAND_KEY = "myocast.hand-mm";
const AVERAGE_HAND_MM = "185";
const MISSING: Record<string, string> = {
  "no-hand": "The hand on the arm with the band is not seen.",
  bones: "What is seen does not look like a hand.",
  speed: "The hand moves faster than can be.",
};

const CAMERA_GONE =
  "The camera is gone. Labels have stopped; what was learned stays. It starts again by itself when it is plugged in.";

type Phase = "off" | "loading" | "flat" | "fist" | "labels";

export class WebcamPanel {
  private readonly video = make("video", { muted: true, playsInline: true });
  private readonly overlay = make("canvas");
  private readonly picture = make("div", { className: "camera" }, this.video, this.overlay);
  private readonly hand = make("input", {
    id: "hand-mm", type: "number", min: "120", max: "240", step: "1", inputMode: "numeric",
    value: sessionStorage.getItem(HAND_KEY) ?? AVERAGE_HAND_MM,
  });
  private readonly prompt = make("p", { className: "verdict" });
  private readonly drawing = make("div", { className: "reference" });
  private readonly seen = make("p", { className: "small-text" });
  private readonly error = make("p", { className: "error" });
  private readonly toggle = button("Start the camera", () => void this.switch(), "solid");
  private readonly capture = button("I hold it: take it", () => this.captureReference(), "solid");
  private readonly redo = button("Show the two poses again", () => this.startReferences());
  readonly element = make(
    "div", {},
    make(
      "p", { className: "row" },
      make("label", { htmlFor: "hand-mm", textContent: "Hand length, mm" }), this.hand,
    ),
    make("p", { className: "small-text", textContent: "From the crease of the wrist to the tip of the middle finger; 185 is average." }),
    this.picture, this.prompt, this.drawing, this.seen, this.error,
    make("p", { className: "actions" }, this.toggle, this.capture, this.redo),
  );
  private labels: WebcamLabels | null = null;
  private phase: Phase = "off";

  constructor(
    private readonly context: GuideContext,
    private readonly onLabel: (label: WebcamLabel) => void,
  ) {
    this.prompt.setAttribute("role", "status");
    this.hand.addEventListener("change", () => this.setHandLength());
    this.showPhase("off");
  }

  /** Whether labels come. */
  get isLabelling(): boolean {
    return this.phase === "labels";
  }

  stop(): void {
    navigator.mediaDevices?.removeEventListener("devicechange", this.onDevices);
    this.labels?.stop();
    this.labels = null;
    this.showPhase("off");
  }

  private async switch(): Promise<void> {
    if (this.labels) return this.stop();
    this.showPhase("loading");
    setText(this.error, "");
    try {
      const { WebcamLabels: Labels } = await import("../webcam/labels");
      this.labels = await Labels.start(
        this.video, () => this.context.device().side, Number(this.hand.value),
        (sighting) => this.onSighting(sighting), () => this.onEnd(),
      );
      this.startReferences();
    } catch (error) {
      this.stop();
      setText(this.error, cameraError(error));
    }
    setHidden(this.error, this.error.textContent === "");
  }

  private onEnd(): void {
    this.stop();
    setText(this.error, CAMERA_GONE);
    setHidden(this.error, false);
    navigator.mediaDevices.addEventListener("devicechange", this.onDevices);
  }

  /** A camera that was unplugged and is back goes on by itself. It may stand elsewhere: the two poses are shown anew. */
  private readonly onDevices = async (): Promise<void> => {
    const devices = await navigator.mediaDevices.enumerateDevices();
    if (this.phase !== "off" || !devices.some((device) => device.kind === "videoinput")) return;
    navigator.mediaDevices.removeEventListener("devicechange", this.onDevices);
    await this.switch();
  };

  private startReferences(): void {
    this.showPhase("flat");
  }

  private captureReference(): void {
    if (this.phase !== "flat" && this.phase !== "fist") return;
    this.labels?.startReference(this.phase);
    this.capture.disabled = true;
    setText(this.prompt, "Hold it …");
  }

  private setHandLength(): void {
    if (!this.hand.reportValidity()) return;
    sessionStorage.setItem(HAND_KEY, this.hand.value);
    this.labels?.setHandLength(Number(this.hand.value));
  }

  private onSighting(sighting: Sighting): void {
    this.draw(sighting);
    const { labels, phase } = this;
    if (!labels) return;
    if ((phase === "flat" || phase === "fist") && this.capture.disabled && labels.reference === null) {
      this.showPhase(phase === "flat" ? "fist" : "labels");
    }
    const missing = sighting.missing === null || sighting.missing === "uncorrected" ? "" : MISSING[sighting.missing];
    setText(this.seen, missing || `${labels.counts.labels} labels, ${labels.counts.rejected} rejected`);
    if (sighting.label && this.isLabelling) this.onLabel(sighting.label);
  }

  private showPhase(phase: Phase): void {
    this.phase = phase;
    const prompts: Record<Phase, string> = {
      off: "",
      loading: "Starting the camera and the hand tracker …",
      flat: "First: hold the hand upright and flat, fingers together. Palm to the camera, turned so that the little finger is a little nearer than the thumb.",
      fist: "Now a fist, the hand upright and turned as before, the thumb across the fingers.",
      labels: "Labels are sent. Keep the hand turned like that and move it: all fingers, alone and together, slowly and fast.",
    };
    setText(this.prompt, prompts[phase]);
    setHidden(this.prompt, phase === "off");
    const reference = phase === "flat" || phase === "fist" ? drawReference(phase, this.context.device().side) : null;
    this.drawing.replaceChildren(...(reference ? [reference] : []));
    setHidden(this.picture, phase === "off");
    setHidden(this.seen, phase === "off" || phase === "loading");
    setHidden(this.error, this.error.textContent === "");
    setHidden(this.capture, phase !== "flat" && phase !== "fist");
    setHidden(this.redo, phase !== "labels");
    setText(this.toggle, phase === "off" ? "Start the camera" : "Stop the camera");
    this.toggle.className = phase === "off" ? "solid" : "small";
    this.toggle.disabled = phase === "loading";
    this.capture.disabled = false;
    setData(this.element, "phase", phase);
  }

  /** Dots over the picture where the hand was seen. */
  private draw(sighting: Sighting): void {
    const { videoWidth, videoHeight } = this.video;
    this.overlay.width = videoWidth;
    this.overlay.height = videoHeight;
    const context = this.overlay.getContext("2d");
    if (!context || !sighting.hand) return;
    context.fillStyle = sighting.label ? "#4fd1b5" : "#f0b54a";
    const { picture } = sighting.hand;
    for (let i = 0; i < picture.length; i += 2) {
      context.beginPath();
      context.arc(picture[i] * videoWidth, picture[i + 1] * videoHeight, 5, 0, 2 * Math.PI);
      context.fill();
    }
  }
}

function cameraError(error: unknown): string {
  const name = error instanceof Error ? error.name : "";
  if (name === "NotAllowedError") return "The browser does not give the camera to this page: allow it in the address bar, then try again.";
  if (name === "NotFoundError") return "No camera was found. Plug one in, then try again.";
  if (name === "SecurityError") return "Browsers give the camera only to pages of this computer or over https: open http://localhost on the computer with the camera.";
  if (name === "NotReadableError") return "Another program uses the camera. Close it, then try again.";
  return error instanceof Error ? error.message : String(error);
}
