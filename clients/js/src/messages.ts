/**
 * Every message of the stream `myocast.v1`, as this client gives it.
 *
 * Field names are those of docs/protocol.md#the-stream, and most types are those of the wire, generated from the
 * server's JSON Schemas.
 * Poses and EMG come in two encodings; their number arrays become flat `Float32Array`s and what may be absent is filled in.
 */

import type {
  Bye, EmgText, ErrorMessage, Hello, Imu, Label, Marker, Ping, Pong, PoseText, Status, Subscribe,
} from "./messages.generated.js";

export type {
  AlignmentInfo, Bye, DeviceInfo, EmgText, ErrorMessage, FilterInfo, Hello, Imu, Label, Marker, ModelInfo, PersonalInfo, Ping, Pong, PoseInfo,
  PoseText, Status, Subscribe,
} from "./messages.generated.js";

export type StreamName = Hello["streams"][number];
export type Encoding = Hello["encoding"];
export type Side = PoseText["hand"];
export type State = Status["state"];
/** What a hello says of one armband. */
export type DeviceEntry = Hello["devices"][number];
export type ReplayStatus = NonNullable<Status["replay"]>;
export type RecordingStatus = NonNullable<Status["recording"]>;
/** The quality of each channel. */
export type SignalStatus = NonNullable<Status["signal"]>;
export type ServerError = NonNullable<Status["error"]>;

export interface Pose extends Omit<PoseText, "state" | "gap" | "held" | "joints" | "truth" | "confidence"> {
  /** Only in JSON; `null` in binary, where `status` tells it. */
  state: State | null;
  /** The first pose after a gap or a seek. */
  gap: boolean;
  /** Repeated by a hold policy. */
  held: boolean;
  /** 0..1, or `null` where the model does not say. */
  confidence: number | null;
  /** 63 values, x0 y0 z0 x1 …, millimetres. */
  joints: Float32Array;
  /** Ground truth where the session has it, same layout. */
  truth: Float32Array | null;
}

export interface Emg extends Omit<EmgText, "samples"> {
  rows: number;
  /** rows × 8 values, row by row, in the device's unit. */
  samples: Float32Array;
}

export type Message = Hello | Pose | Emg | Imu | Status | Bye | Pong | ErrorMessage;
export type MessageType = Message["type"];
export type MessageOf<T extends MessageType> = Extract<Message, { type: T }>;
/** What a label says, without its `type`. `t` is on the server's clock: see `serverNow`. */
export type LabelValue = Omit<Label, "type">;
export type ClientMessage = Ping | Subscribe | Label | Marker;
