/** What a step of the guide is, and what it may use. */

import type { Client } from "@myocast/client";

import type { DeviceState } from "../store";
import type { ArmApi, Part } from "./armApi";
import type { ArmStatus } from "./armStatus";
import type { StepName } from "./progress";

export interface GuideContext {
  api: ArmApi;
  client: () => Client;
  device: () => DeviceState;
  deviceIndex: () => number;
  /** Whether the server has this part. */
  has: (part: Part) => boolean;
  status: () => ArmStatus | null;
}

export interface Step {
  readonly name: StepName;
  readonly title: string;
  readonly body: HTMLElement;
  /** Whether the server can do it. */
  available(): boolean;
  /** Bring it up to date; called several times a second while it is shown. */
  show(): void;
  /** Called when another step, or none, is shown. */
  leave?(): void;
}
