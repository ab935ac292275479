/** Labels from the webcam: the tracked hand, checked, corrected and at the person's own size. */

import type { Side } from "@myocast/client";

import { Camera } from "./camera";
import { Correction, type ReferencePose } from "./correction";
import { fitHand, seenRightHand } from "./handFit";
import { bonesOfHand, handPoints, mirror } from "./kinematics";
import { bonesAreThoseOfAHand, SpeedFilter } from "./plausibility";
import { HandTracker, type TrackedHand } from "./tracker";

export interface WebcamLabel {
  /** Seconds on the clock of `performance.now()`. */
  t: number;
  hand: Side;
  /** 63 values, mm, frame `hand`. */
  joints: Float32Array;
  confidence: number;
}

/** What was seen in one frame. */
export interface Sighting {
  /** The hand on the arm that wears the band, if it was seen. */
  hand: TrackedHand | null;
  label: WebcamLabel | null;
  /** Why there is no label: no hand, or one that was rejected. */
  missing: "no-hand" | "bones" | "speed" | "uncorrected" | null;
}

/** Frames needed for a reference pose, and how long they are collected at least, s. */
export const REFERENCE_FRAMES = 3;
const REFERENCE_SECONDS = 1;
/** Frames of the first moments are left out: the hand may still be on its way, and so may the tracker. */
const SETTLING_SECONDS = 0.5;
/** Hands whose points are on the median further than this from every possible hand are none, mm. */
const MOST_MISS_MM = 10;

export class WebcamLabels {
  /** Frames looked at, labels given, and hands rejected. */
  readonly counts = { frames: 0, labels: 0, rejected: 0 };
  private readonly speed = new SpeedFilter();
  /** The angles seen in the reference poses. */
  private readonly references: Record<ReferencePose, Float64Array[]> = { flat: [], fist: [] };
  private correction: Correction | null = null;
  private recording: ReferencePose | null = null;
  private recordingSince = 0;
  private running = true;

  private constructor(
    private readonly camera: Camera,
    private readonly tracker: HandTracker,
    private readonly side: () => Side,
    private handMm: number,
    private readonly onSighting: (sighting: Sighting) => void,
  ) {
    void this.run();
  }

  /**
   * Open the camera, load the tracker and begin to look.
   *
   * @param side - the hand on the arm that wears the band; the other one is ignored.
   * @param handMm - wrist to tip of the middle finger.
   * @param onSighting - called after each frame.
   * @param onEnd - called when the camera is gone.
   */
  static async start(
    video: HTMLVideoElement, side: () => Side, handMm: number,
    onSighting: (sighting: Sighting) => void, onEnd: () => void,
  ): Promise<WebcamLabels> {
    const camera = await Camera.open(video, onEnd);
    try {
      return new WebcamLabels(camera, await HandTracker.load(), side, handMm, onSighting);
    } catch (error) {
      camera.close();
      throw error;
    }
  }

  /** Collect frames of a reference pose from now on, in place of those collected before. */
  startReference(pose: ReferencePose): void {
    this.references[pose] = [];
    this.correction = null;
    this.recording = pose;
    this.recordingSince = performance.now() / 1000 + SETTLING_SECONDS;
  }

  /** The reference pose that is being collected. */
  get reference(): ReferencePose | null {
    return this.recording;
  }

  /** Whether labels are given: both reference poses have been seen. */
  get isCorrected(): boolean {
    return this.correction !== null;
  }

  setHandLength(mm: number): void {
    this.handMm = mm;
  }

  stop(): void {
    this.running = false;
    this.camera.close();
    this.tracker.close();
  }

  private async run(): Promise<void> {
    while (this.running) {
      const frame = await this.camera.next();
      if (!this.running) return;
      const found = await this.tracker.find(frame.picture);
      if (!this.running) return;
      this.counts.frames++;
      const { width, height } = frame.picture;
      this.onSighting(this.look(found, frame.takenMs / 1000, height / width));
    }
  }

  private look(found: readonly TrackedHand[], t: number, heightToWidth: number): Sighting {
    const side = this.side();
    const hand = found.filter((one) => one.side === side).sort((a, b) => b.confidence - a.confidence)[0] ?? null;
    if (!hand) return { hand, label: null, missing: "no-hand" };
    const seen = seenRightHand(hand, side, heightToWidth);
    if (!bonesAreThoseOfAHand(seen.points)) return this.reject(hand, "bones");
    const bones = bonesOfHand(this.handMm);
    const fitted = fitHand(seen, bones);
    if (fitted.missMm > MOST_MISS_MM) return this.reject(hand, "bones");
    if (this.recording) this.collect(this.recording, fitted.angles, t);
    if (!this.correction) return { hand, label: null, missing: "uncorrected" };
    const corrected = handPoints(this.correction.apply(fitted.angles), bones);
    if (!this.speed.accepts(t, corrected)) return this.reject(hand, "speed");
    this.counts.labels++;
    const joints = side === "right" ? corrected : mirror(corrected);
    return { hand, label: { t, hand: side, joints, confidence: hand.confidence }, missing: null };
  }

  private reject(hand: TrackedHand, missing: "bones" | "speed"): Sighting {
    this.counts.rejected++;
    return { hand, label: null, missing };
  }

  private collect(pose: ReferencePose, angles: Float64Array, t: number): void {
    if (t < this.recordingSince) return;
    this.references[pose].push(angles);
    if (this.references[pose].length < REFERENCE_FRAMES || t - this.recordingSince < REFERENCE_SECONDS) return;
    this.recording = null;
    const { flat, fist } = this.references;
    if (flat.length >= REFERENCE_FRAMES && fist.length >= REFERENCE_FRAMES) this.correction = new Correction(flat, fist);
  }
}
