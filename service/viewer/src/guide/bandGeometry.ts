/** Where the channels of a band sit around the forearm, as its wearer sees it from the elbow. */

import type { Side } from "@myocast/client";

const CHANNELS = 8;
/** Where channel 1 belongs: so far from the back of the arm towards the little finger, degrees. So most people wear it,
 * and the models expect it (CHANNEL_ONE_DEG in models/forward/electrodes.py). */
const FIRST_DEG = 74;

/**
 * The angle of a channel, degrees clockwise from the back of the arm. The thumb is to the left on a right arm, to the
 * right on a left one; the ring runs counter-clockwise on both: towards the thumb on a right arm, away from it on a left.
 *
 * @param channel from 0
 * @param turnDeg of the alignment: negative where the band is turned towards the thumb
 * @param mirrored whether it is worn the other way round
 */
export function channelDeg(side: Side, channel: number, turnDeg = 0, mirrored = false): number {
  const first = side === "right" ? FIRST_DEG : -FIRST_DEG;
  return first + turnClockwiseDeg(side, turnDeg) + ((mirrored ? 1 : -1) * channel * 360) / CHANNELS;
}

/** A turn of the alignment, degrees clockwise. */
export function turnClockwiseDeg(side: Side, turnDeg: number): number {
  return side === "right" ? turnDeg : -turnDeg;
}
