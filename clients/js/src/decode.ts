/** Bytes and text in, messages out. No socket, no clock, no state. */

import { CHANNELS, VALUES } from "./hand.js";
import type { Emg, EmgText, Message, MessageType, Pose, PoseText } from "./messages.js";

const POSE = 1;
const EMG = 2;
const VERSION = 1;
const POSE_BYTES = 296;
const TRUTH_BYTES = VALUES * 4;
const EMG_HEADER_BYTES = 32;

const LEFT = 1 << 0;
const HELD = 1 << 1;
const GAP = 1 << 2;
const TRUTH = 1 << 3;
const CONFIDENCE = 1 << 4;

const LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;
const KNOWN: ReadonlySet<string> = new Set<MessageType>([
  "hello", "pose", "emg", "imu", "status", "bye", "pong", "error",
]);

/** A message of a known kind whose bytes cannot be what the contract says. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
}

/**
 * Decode one WebSocket message.
 *
 * @param data - what the socket delivered: text, or bytes of a binary record.
 * @returns the message, or `null` for a type or version this client does not know (to be ignored).
 * @throws ProtocolError - no JSON object, or a record that is shorter than its header says.
 */
export function decode(data: string | ArrayBuffer | ArrayBufferView): Message | null {
  return typeof data === "string" ? decodeText(data) : decodeBinary(data);
}

/** Decode a text message. See {@link decode}. */
export function decodeText(text: string): Message | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new ProtocolError("text message is not JSON");
  }
  if (typeof value !== "object" || value === null || !("type" in value)) {
    throw new ProtocolError("text message is not an object with a type");
  }
  if (typeof value.type !== "string" || !KNOWN.has(value.type)) return null;
  if (value.type === "pose") return textPose(value as PoseText);
  if (value.type === "emg") return textEmg(value as EmgText);
  return value as Message;
}

/**
 * Decode a binary record (`pose` or `emg`). See {@link decode}.
 *
 * The arrays are views of the message's own bytes where alignment allows: nothing is copied.
 */
export function decodeBinary(data: ArrayBuffer | ArrayBufferView): Pose | Emg | null {
  const view = ArrayBuffer.isView(data)
    ? new DataView(data.buffer, data.byteOffset, data.byteLength)
    : new DataView(data);
  if (view.byteLength < 2) throw new ProtocolError("binary message has no header");
  if (view.getUint8(1) !== VERSION) return null;
  switch (view.getUint8(0)) {
    case POSE:
      return binaryPose(view);
    case EMG:
      return binaryEmg(view);
    default:
      return null;
  }
}

function binaryPose(view: DataView): Pose {
  need(view, POSE_BYTES, "pose");
  const flags = view.getUint16(2, true);
  if (flags & TRUTH) need(view, POSE_BYTES + TRUTH_BYTES, "pose with truth");
  return {
    type: "pose",
    device: view.getUint8(36),
    seq: view.getUint32(4, true),
    sample: uint64(view, 8),
    t: view.getFloat64(16, true),
    age_ms: view.getFloat32(24, true),
    infer_ms: view.getFloat32(28, true),
    skipped: view.getUint32(32, true),
    state: null,
    hand: flags & LEFT ? "left" : "right",
    gap: (flags & GAP) !== 0,
    held: (flags & HELD) !== 0,
    confidence: flags & CONFIDENCE ? view.getFloat32(292, true) : null,
    joints: floats(view, 40, VALUES),
    truth: flags & TRUTH ? floats(view, POSE_BYTES, VALUES) : null,
  };
}

function binaryEmg(view: DataView): Emg {
  need(view, EMG_HEADER_BYTES, "emg");
  const rows = view.getUint16(2, true);
  need(view, EMG_HEADER_BYTES + rows * CHANNELS * 4, "emg");
  return {
    type: "emg",
    device: view.getUint8(4),
    sample: uint64(view, 8),
    t: view.getFloat64(16, true),
    rate_hz: view.getFloat32(24, true),
    rows,
    samples: floats(view, EMG_HEADER_BYTES, rows * CHANNELS),
  };
}

function need(view: DataView, bytes: number, what: string): void {
  if (view.byteLength < bytes) {
    throw new ProtocolError(`${what} needs ${bytes} bytes, got ${view.byteLength}`);
  }
}

// Counters stay exact up to 2^53: a million years at 200 Hz.
function uint64(view: DataView, offset: number): number {
  return view.getUint32(offset, true) + view.getUint32(offset + 4, true) * 2 ** 32;
}

function floats(view: DataView, offset: number, count: number): Float32Array {
  const start = view.byteOffset + offset;
  if (LITTLE_ENDIAN && start % 4 === 0) return new Float32Array(view.buffer, start, count);
  const out = new Float32Array(count);
  for (let i = 0; i < count; i++) out[i] = view.getFloat32(offset + i * 4, true);
  return out;
}

function textPose(m: PoseText): Pose {
  return {
    type: "pose",
    device: m.device ?? 0,
    seq: m.seq,
    sample: m.sample,
    t: m.t,
    age_ms: m.age_ms,
    infer_ms: m.infer_ms,
    skipped: m.skipped,
    state: m.state ?? null,
    hand: m.hand,
    gap: m.gap ?? false,
    held: m.held ?? false,
    confidence: m.confidence ?? null,
    joints: values(m.joints, "joints"),
    truth: m.truth ? values(m.truth, "truth") : null,
  };
}

function values(list: unknown, name: string): Float32Array {
  if (!Array.isArray(list) || list.length !== VALUES) {
    throw new ProtocolError(`pose needs ${VALUES} values in ${name}`);
  }
  return Float32Array.from(list as number[]);
}

function textEmg(m: EmgText): Emg {
  if (!Array.isArray(m.samples) || m.samples.some((row) => !Array.isArray(row) || row.length !== CHANNELS)) {
    throw new ProtocolError(`emg needs rows of ${CHANNELS} values`);
  }
  return {
    type: "emg",
    device: m.device ?? 0,
    sample: m.sample,
    t: m.t,
    rate_hz: m.rate_hz,
    rows: m.samples.length,
    samples: Float32Array.from(m.samples.flat()),
  };
}
