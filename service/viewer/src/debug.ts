/** `window.myocast`: the page's current state, for tests and for the browser's console. */

import type { Client, Pose, State } from "@myocast/client";

import type { StripChart } from "./emg/stripChart";
import type { HandScene } from "./scene/handScene";
import type { Store } from "./store";

export interface DebugApi {
  /** The newest pose of the selected armband, with plain arrays instead of typed ones. */
  readonly pose: (Omit<Pose, "joints" | "truth"> & { joints: number[]; truth: number[] | null }) | null;
  readonly state: State;
  readonly phase: string;
  /** Frames rendered so far: of the 3-D scene, and of the EMG strips. */
  readonly frames: number;
  readonly stripFrames: number;
  /** Poses and EMG samples received from the selected armband. */
  readonly received: number;
  readonly samples: number;
  /** Whether the selected armband's hand goes on without another pose. */
  readonly moving: boolean;
  /** The drawn hand's 63 values and the bounding box of its skin, mm, frame `hand`; whether it is a mere outline. */
  hand(device?: number): { points: number[]; min: number[]; max: number[]; neutral: boolean; ghost: number[] | null } | undefined;
  /** Position of a point in CSS pixels from the canvas's top left corner. */
  point(index: number, device?: number): [number, number] | undefined;
  /** Render the scene now and return it as a data URL. */
  picture(): string | undefined;
  /** Position of the camera, mm. */
  readonly camera: number[];
  readonly client: Client;
}

interface DebuggedPage {
  store: Store;
  scene: HandScene | null;
  stripChart: StripChart;
  client: Client;
}

export function exposeDebugApi(page: DebuggedPage): void {
  const { store, scene, stripChart } = page;
  const api: DebugApi = {
    get pose() {
      const pose = store.current.pose;
      return pose && { ...pose, joints: [...pose.joints], truth: pose.truth && [...pose.truth] };
    },
    get state() {
      return store.current.state;
    },
    get phase() {
      return store.connection.phase;
    },
    get frames() {
      return scene?.renderedFrames ?? 0;
    },
    get stripFrames() {
      return stripChart.renderedFrames;
    },
    get received() {
      return store.current.receivedPoses;
    },
    get samples() {
      return store.current.emg.total;
    },
    get moving() {
      return store.current.inbetween.moving;
    },
    hand: (device = 0) => scene?.drawnHand(device),
    point: (index, device = 0) => scene?.screenPosition(device, index),
    picture: () => scene?.picture(),
    get camera() {
      return scene?.cameraController.camera.position.toArray() ?? [];
    },
    get client() {
      return page.client;
    },
  };
  Object.assign(window, { myocast: api });
}
