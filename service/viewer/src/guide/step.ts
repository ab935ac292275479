/** What a step of the guide is, and what it may use. */

import type { Client, Pose, Status } from "@myocast/client";

import type { DeviceState } from "../store";
import type { ArmApi, Part } from "./armApi";
import type { StepName } from "./progress";

export interface GuideContext {
  api: ArmApi;
  client: () => Client;
  device: () => DeviceState;
  deviceIndex: () => number;
  /** Whether the server has this part. */
  has: (part: Part) => boolean;
  status: () => Status | null;
  /** The server process: another one after each start. */
  session: () => string;
}

export interface Step {
  readonly name: StepName;
  readonly title: string;
  readonly body: HTMLElement;
  /** Whether it goes on only while the armband sends. */
  readonly needsSignal: boolean;
  /** Whether the server can do it. */
  available(): boolean;
  /** Bring it up to date; called several times a second while it is shown. */
  show(): void;
  /** Called for each pose while it is shown. */
  onPose?(pose: Pose): void;
  /** Called when another step, or none, is shown. */
  leave?(): void;
}
