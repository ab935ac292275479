/** What a server tells in its status messages about one arm: its alignment, its personal model, its signal. */

import type { Status } from "@myocast/client";

export interface Alignment {
  state: "none" | "running" | "done" | "failed";
  cue: string | null;
  phase?: "prepare" | "hold" | null;
  left_s: number;
  cues: readonly string[];
  /** The cue that is asked for once more, and why. */
  again?: { cue: string; code: string; message: string } | null;
  result: AlignmentResult | null;
  applied: boolean;
  error: { message: string } | null;
}

export interface AlignmentResult {
  turn_deg: number | null;
  mirrored: boolean | null;
  score: number | null;
}

export interface Errors {
  angle_mae_deg: number | null;
  mpjpe_mm: number | null;
}

export interface Personal {
  state: "none" | "learning" | "ready" | "failed";
  seconds: number;
  before: Errors | null;
  after: Errors | null;
  error: { message: string } | null;
}

export type ChannelState = "good" | "flat" | "railed" | "noisy" | "hum" | "copy";

export interface Signal {
  channels: readonly { channel: number; state: ChannelState; rms: number; hint: string }[];
}

/** A status message of a server that may have these parts. */
export type ArmStatus = Status & {
  alignment?: Alignment | null;
  personal?: Personal | null;
  signal?: Signal | null;
};
