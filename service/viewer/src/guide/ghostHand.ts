/** The hand that a wearer is asked to follow while prompts run: made of angles that come ten times a second. */

import type { Side } from "@myocast/client";

import { ANGLES, AVERAGE_HAND_MM, averageBones, handPoints, mirror } from "../webcam/kinematics";

const FINGERS = ["index", "middle", "ring", "pinky"];
const FINGER_JOINTS = ["mcp_fe", "mcp_aa", "pip_fe", "dip_fe"];
/** The names of the 20 angles, in the order of the contract. */
const NAMES: readonly string[] = [
  "thumb_cmc_fe", "thumb_cmc_aa", "thumb_mcp_fe", "thumb_ip_fe",
  ...FINGERS.flatMap((finger) => FINGER_JOINTS.map((joint) => `${finger}_${joint}`)),
];
/** Time over which the hand moves to the newest angles: that between two of them, ms. */
const STEP_MS = 100;

export class GhostHand {
  private readonly bones = averageBones(AVERAGE_HAND_MM);
  private from: Float64Array | null = null;
  private to: Float64Array | null = null;
  private sinceMs = 0;

  /** Go to these angles, degrees by name; those that are missing are 0. `null` = there is no such hand. */
  follow(angles: Readonly<Record<string, number>> | null, nowMs: number): void {
    const before = this.angles(nowMs);
    this.to = angles && Float64Array.from(NAMES, (name) => angles[name] ?? 0);
    this.from = before ?? this.to;
    this.sinceMs = nowMs;
  }

  /** Its 63 values, mm, frame `hand`, for a hand of this side; `null` if there is none. */
  points(side: Side, nowMs: number): Float32Array | null {
    const angles = this.angles(nowMs);
    if (!angles) return null;
    const right = handPoints(angles, this.bones);
    return Float32Array.from(side === "right" ? right : mirror(right));
  }

  private angles(nowMs: number): Float64Array | null {
    const { from, to } = this;
    if (!from || !to) return null;
    const share = Math.min((nowMs - this.sinceMs) / STEP_MS, 1);
    return Float64Array.from({ length: ANGLES }, (_, i) => from[i] + share * (to[i] - from[i]));
  }
}
