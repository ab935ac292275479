/**
 * Every message of the stream `myocast.v1`. Field names are the contract's own, so what you read here
 * is what a JSON client sees; only number arrays become flat `Float32Array`s.
 */

export type StreamName = "pose" | "emg" | "imu" | "status";
export type Encoding = "binary" | "json";
export type Side = "left" | "right";
export type State =
  | "connecting"
  | "live"
  | "stalled"
  | "reconnecting"
  | "replay"
  | "paused"
  | "ended"
  | "failed";

export interface DeviceInfo {
  uri: string;
  name: string;
  channels: number;
  rate_hz: number;
  unit: "adc" | "uV";
  emg_mode: "raw" | "filtered" | "envelope";
  hand: Side;
}

export interface ModelInfo {
  name: string;
  sha256: string;
  kind: "window" | "stream";
  /** Samples per window; 0 for a streaming model. */
  window: number;
  hop: number;
  rate_hz: number;
  parameters: number;
}

export interface PoseInfo {
  points: number;
  order: string;
  unit: string;
  frame: string;
  rate_hz: number;
}

export interface DeviceEntry {
  device: DeviceInfo | null;
  model: ModelInfo | null;
  pose: PoseInfo | null;
}

/** Always first, and again whenever anything in it changes. `device`, `model`, `pose` are those of index 0. */
export interface Hello extends DeviceEntry {
  type: "hello";
  protocol: string;
  server: string;
  /** New at each server start; the same after a reconnect means that `seq` and `sample` go on. */
  session: string;
  t: number;
  devices: DeviceEntry[];
  streams: StreamName[];
  encoding: Encoding;
}

export interface Pose {
  type: "pose";
  device: number;
  /** Counts the poses that the server made; a jump = poses that this client did not get. */
  seq: number;
  /** Index of the newest EMG sample used. */
  sample: number;
  /** Time of that sample, Unix seconds on the server's clock. */
  t: number;
  /** From that sample's arrival to the moment this message was encoded. */
  age_ms: number;
  infer_ms: number;
  /** Windows skipped just before this one. */
  skipped: number;
  /** Only in JSON; `null` in binary, where `status` tells it. */
  state: State | null;
  hand: Side;
  /** First pose after a gap or a seek. */
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

export interface Emg {
  type: "emg";
  device: number;
  /** Index of the first row. */
  sample: number;
  /** Time of the first row, Unix seconds on the server's clock. */
  t: number;
  rate_hz: number;
  rows: number;
  /** rows × 8 values, row by row, in the device's unit. */
  samples: Float32Array;
}

export interface Imu {
  type: "imu";
  device: number;
  t: number;
  quaternion: [w: number, x: number, y: number, z: number];
  acceleration_g: [number, number, number];
  gyro_dps: [number, number, number];
}

export interface ReplayStatus {
  position_s: number;
  duration_s: number;
  speed: number;
  loop: boolean;
}

export interface RecordingStatus {
  name: string;
  seconds: number;
  bytes: number;
}

export interface ServerError {
  code: string;
  message: string;
}

export interface Status {
  type: "status";
  device: number;
  t: number;
  state: State;
  rate_hz: number;
  lost: number;
  battery: number | null;
  clients: number;
  /** What this client's slowness cost, not what `max_rate` held back. */
  dropped: number;
  recording: RecordingStatus | null;
  replay: ReplayStatus | null;
  error: ServerError | null;
}

export interface Bye {
  type: "bye";
  reason: string;
}

export interface Pong {
  type: "pong";
  id: unknown;
  t: number;
}

export interface ErrorMessage extends ServerError {
  type: "error";
}

export type Message = Hello | Pose | Emg | Imu | Status | Bye | Pong | ErrorMessage;
export type MessageType = Message["type"];
export type MessageOf<T extends MessageType> = Extract<Message, { type: T }>;
