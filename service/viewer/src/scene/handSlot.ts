/** What the scene shows for one armband: the predicted hand, the ground-truth hand, and the band on the forearm. */

import { Group, Matrix4, Vector3 } from "three";
import type { Side } from "@myocast/client";

import { Hand, type RenderMode } from "../hand/hand";
import { FOREARM, REST_POSE } from "../hand/restPose";
import { Armband } from "./armband";

/** How ground truth is shown, where the session has it. */
export type TruthMode = "overlay" | "beside" | "off";

/** Height of the wrist above the floor, mm. */
const WRIST_HEIGHT = FOREARM.to + 22;
// Fingers up, palm to the camera: frame `hand` has -Z along the hand and +Y out of its back.
const UPRIGHT = new Matrix4().makeBasis(new Vector3(-1, 0, 0), new Vector3(0, 0, -1), new Vector3(0, -1, 0));

export class HandSlot {
  readonly object = new Group();
  readonly hand = new Hand("solid");
  private readonly truthHand: Hand;
  private readonly band: Armband;
  private readonly handRoot = new Group();
  private readonly truthRoot = new Group();
  private readonly ghostRoot = new Group();
  private ghostHand: Hand | null = null;
  private truthMode: TruthMode = "overlay";
  private hasTruth = false;

  constructor(
    channelColors: readonly string[],
    truthColor: string,
    private ghostColor: string,
  ) {
    this.truthHand = new Hand("translucent", truthColor);
    this.band = new Armband(channelColors);
    for (const root of [this.handRoot, this.truthRoot, this.ghostRoot]) {
      root.quaternion.setFromRotationMatrix(UPRIGHT);
      root.position.y = WRIST_HEIGHT;
      this.object.add(root);
    }
    this.handRoot.add(this.hand.object, this.band.object);
    this.truthRoot.add(this.truthHand.object);
    this.hand.setNeutral(true);
    this.showTruth();
  }

  /** Return to the grey outline of a hand that nothing predicts, without ground truth. */
  clearPose(): void {
    this.hand.setPose(REST_POSE, "right");
    this.hand.setNeutral(true);
    this.hasTruth = false;
    this.showTruth();
  }

  setRenderMode(mode: RenderMode): void {
    this.hand.setRenderMode(mode);
  }

  setTruthMode(mode: TruthMode): void {
    this.truthMode = mode;
    this.showTruth();
  }

  setColors(truthColor: string, ghostColor: string): void {
    this.truthHand.setColor(truthColor);
    this.ghostColor = ghostColor;
    this.ghostHand?.setColor(ghostColor);
  }

  /** Distances of the ground-truth hand and of the one to follow from the predicted one, to the right, mm. */
  setOffsets(truthMm: number, ghostMm: number): void {
    this.truthRoot.position.x = truthMm;
    this.ghostRoot.position.x = ghostMm;
  }

  /** Show the hand that the wearer is asked to follow, or none. Returns whether it appeared or went. */
  setGhost(joints: Float32Array | null, side: Side): boolean {
    const before = this.hasGhost;
    if (joints && !this.ghostHand) {
      this.ghostHand = new Hand("translucent", this.ghostColor);
      this.ghostRoot.add(this.ghostHand.object);
    }
    if (joints) this.ghostHand?.setPose(joints, side);
    this.ghostRoot.visible = joints !== null;
    return before !== this.hasGhost;
  }

  get hasGhost(): boolean {
    return this.ghostHand !== null && this.ghostRoot.visible;
  }

  /** The hand to follow, while there is one. */
  get ghost(): Hand | null {
    return this.hasGhost ? this.ghostHand : null;
  }

  /** Left or right, before the first pose (which has its own side). */
  setSide(side: Side): void {
    this.hand.setSide(side);
    this.band.setSide(side);
  }

  setPose(joints: Float32Array, truth: Float32Array | null, side: Side): void {
    this.hand.setNeutral(false);
    this.hand.setPose(joints, side);
    this.band.setSide(side);
    if (truth) this.truthHand.setPose(truth, side);
    this.hasTruth = truth !== null;
    this.showTruth();
  }

  /** Activity of each channel, 0..1. */
  setLevels(levels: ArrayLike<number>): void {
    this.band.setLevels(levels);
  }

  private showTruth(): void {
    this.truthHand.object.visible = this.hasTruth && this.truthMode !== "off";
  }
}
