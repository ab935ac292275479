/** Rejects hands that cannot be: bones of wrong length, and points that move faster than a hand can. */

import { POINTS } from "@myocast/client";

import { averageBones, AVERAGE_HAND_MM, boneLengths } from "./kinematics";

/** A bone's length against the average hand's of the same size. */
const BONE_RATIO = [0.5, 1.9] as const;
/** So many bones may be outside: those that point at the camera look short. */
const WRONG_BONES = 4;
/** A fist closes in a tenth of a second, over about 200 mm. */
const FASTEST_MM_S = 4000;

/** Whether the bones of these points, of any size, have the proportions of a hand. */
export function bonesAreThoseOfAHand(points: ArrayLike<number>): boolean {
  const average = averageBones(AVERAGE_HAND_MM);
  const ratios = boneLengths(points).map((bone, i) => bone / average[i]);
  const size = [...ratios].sort((a, b) => a - b)[ratios.length >> 1];
  const wrong = ratios.filter((ratio) => !(ratio > BONE_RATIO[0] * size && ratio < BONE_RATIO[1] * size));
  return wrong.length <= WRONG_BONES;
}

interface Seen {
  t: number;
  points: ArrayLike<number>;
}

/** Rejects a hand that is far both from the last one and from the last accepted one: a single wrong frame. */
export class SpeedFilter {
  private last: Seen | null = null;
  private accepted: Seen | null = null;

  /** @param t - seconds. */
  accepts(t: number, points: ArrayLike<number>): boolean {
    const now = { t, points };
    const near = [this.last, this.accepted].some((before) => before === null || reachable(before, now));
    this.last = now;
    if (near) this.accepted = now;
    return near;
  }

  reset(): void {
    this.last = this.accepted = null;
  }
}

function reachable(from: Seen, to: Seen): boolean {
  const reach = FASTEST_MM_S * Math.max(to.t - from.t, 0);
  for (let i = 0; i < POINTS; i++) {
    const [dx, dy, dz] = [0, 1, 2].map((axis) => to.points[i * 3 + axis] - from.points[i * 3 + axis]);
    if (Math.hypot(dx, dy, dz) > reach) return false;
  }
  return true;
}
