/** `window.myocast`: what the page shows right now, for tests and for the curious at the console. */

import type { Client, Pose, State } from "@myocast/client";

import type { Desk } from "./desk";
import type { Strips } from "./emg/strips";
import type { Stage } from "./stage/stage";

export interface Hook {
  /** The newest pose of the selected armband; typed arrays as plain ones. */
  readonly pose: (Omit<Pose, "joints" | "truth"> & { joints: number[]; truth: number[] | null }) | null;
  readonly state: State;
  readonly phase: string;
  /** Pictures drawn of the hand and of the strips. */
  readonly frames: number;
  readonly stripFrames: number;
  readonly received: number;
  readonly samples: number;
  /** The drawn hand's 63 values and the box of its skin, mm, frame `hand`. */
  hand(device?: number): { points: number[]; min: number[]; max: number[] } | undefined;
  /** Where a point is drawn, CSS pixels from the corner of the canvas. */
  point(index: number, device?: number): [number, number] | undefined;
  /** The picture of the hand as a data URL, drawn anew. */
  picture(): string | undefined;
  readonly camera: number[];
  readonly client: Client;
}

interface Parts {
  desk: Desk;
  stage: Stage | null;
  strips: Strips;
  client: Client;
}

export function expose(page: Parts): void {
  const { desk, stage, strips } = page;
  const hook: Hook = {
    get pose() {
      const pose = desk.current.pose;
      return pose && { ...pose, joints: [...pose.joints], truth: pose.truth && [...pose.truth] };
    },
    get state() {
      return desk.current.state;
    },
    get phase() {
      return desk.connection.phase;
    },
    get frames() {
      return stage?.drawn ?? 0;
    },
    get stripFrames() {
      return strips.drawn;
    },
    get received() {
      return desk.current.received;
    },
    get samples() {
      return desk.current.traces.total;
    },
    hand: (device = 0) => stage?.drawnHand(device),
    point: (index, device = 0) => stage?.onScreen(device, index),
    picture: () => stage?.picture(),
    get camera() {
      return stage?.eye.camera.position.toArray() ?? [];
    },
    get client() {
      return page.client;
    },
  };
  Object.assign(window, { myocast: hook });
}
