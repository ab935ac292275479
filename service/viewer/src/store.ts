/** The state of the page: the connection, the server's hello, and the latest data of each armband. */

import type {
  Connection, ConnectionError, DeviceEntry, Emg, Hello, Pose, ReplayStatus, Side, State, Status,
} from "@myocast/client";

import { SignalBuffer } from "./emg/signalBuffer";
import { GhostHand } from "./guide/ghostHand";
import { Inbetween } from "./hand/inbetween";
import { RateMeter } from "./rateMeter";

const EMG_CAPACITY_SAMPLES = 8192;

/** Mean of the values added since it was last taken. */
class IntervalMean {
  private sum = 0;
  private count = 0;

  add(value: number): void {
    this.sum += value;
    this.count++;
  }

  /** Return the mean, `null` if nothing was added, and start a new interval. */
  take(): number | null {
    const mean = this.count > 0 ? this.sum / this.count : null;
    this.sum = this.count = 0;
    return mean;
  }
}

/** Everything known about one armband. */
export class DeviceState {
  entry: DeviceEntry = { device: null, model: null, pose: null };
  status: Status | null = null;
  pose: Pose | null = null;
  /** Whether `pose` has not been drawn yet. */
  poseIsNew = false;
  receivedPoses = 0;
  skippedWindows = 0;
  readonly poseRate = new RateMeter();
  /** `age_ms` of the received poses: from the newest sample's arrival at the server to the sending of the pose. */
  readonly ageMs = new IntervalMean();
  /** From a pose's newest sample to the frame that shows it. */
  readonly latencyMs = new IntervalMean();
  /** Distance from ground truth, where the session has it. */
  readonly errorMm = new IntervalMean();
  /** Of the received poses, where the model has a measure for it. */
  readonly confidence = new IntervalMean();
  readonly emg = new SignalBuffer(EMG_CAPACITY_SAMPLES);
  readonly ghost = new GhostHand();
  readonly inbetween = new Inbetween();

  get state(): State {
    return this.status?.state ?? "connecting";
  }

  /** By how much the hand in the scene is behind the real one, ms; negative where it is ahead, `null` = not known. */
  get lagMs(): number | null {
    // A server of an earlier version does not tell.
    return this.entry.pose?.lag_ms ?? null;
  }

  get side(): Side {
    return this.pose?.hand ?? this.entry.device?.hand ?? "right";
  }

  /** Whether the hand in the scene is one that a model predicted. */
  get isPredicted(): boolean {
    return this.pose !== null && this.entry.model !== null;
  }

  /** Whether new samples come, so that rates and latencies describe the present. */
  get isFlowing(): boolean {
    return this.state === "live" || this.state === "replay" || this.state === "stalled";
  }

  /** Replace the description; the EMG buffer restarts if the kind of signal changed. */
  setEntry(entry: DeviceEntry): void {
    const before = this.entry.device;
    this.entry = entry;
    const now = entry.device;
    if (!now) return;
    if (before?.uri === now.uri && before.unit === now.unit && before.emg_mode === now.emg_mode && before.rate_hz === now.rate_hz) return;
    this.emg.reset(now.unit, now.emg_mode, now.rate_hz);
  }

  addPose(pose: Pose): void {
    this.pose = pose;
    this.poseIsNew = true;
    this.inbetween.add(pose, performance.now(), Boolean(this.entry.pose?.filter));
    this.receivedPoses++;
    this.skippedWindows += pose.skipped;
    this.poseRate.add(pose.seq, pose.t);
    this.ageMs.add(pose.age_ms);
    if (pose.confidence !== null) this.confidence.add(pose.confidence);
  }

  addEmg(emg: Emg): void {
    this.emg.add(emg);
  }

  /** Drop counts and data of a previous server process: a new process starts counting at 0. */
  reset(): void {
    this.pose = null;
    this.poseIsNew = false;
    this.inbetween.clear();
    this.skippedWindows = 0;
    this.poseRate.clear();
    const device = this.entry.device;
    if (device) this.emg.reset(device.unit, device.emg_mode, device.rate_hz);
  }
}

/** The state that all views read. */
export class Store {
  hello: Hello | null = null;
  connection: Readonly<Connection> = { phase: "connecting", attempt: 0, retryMs: 0, error: null };
  /** Why the last open connection ended; `connection.error` is overwritten by every failed attempt after it. */
  disconnectCause: ConnectionError | null = null;
  devices: DeviceState[] = [new DeviceState()];
  selected = 0;

  get current(): DeviceState {
    return this.devices[this.selected];
  }

  get replay(): ReplayStatus | null {
    return this.current.status?.replay ?? null;
  }

  /** Whether the connection is open and the hello has arrived. */
  get online(): boolean {
    return this.connection.phase === "open" && this.hello !== null;
  }

  setHello(hello: Hello): void {
    const entries = hello.devices.length > 0 ? hello.devices : [hello];
    while (this.devices.length < entries.length) this.devices.push(new DeviceState());
    this.devices.length = entries.length;
    this.selected = Math.min(this.selected, entries.length - 1);
    const restarted = this.hello !== null && this.hello.session !== hello.session;
    this.hello = hello;
    entries.forEach((entry, i) => {
      this.devices[i].setEntry(entry);
      if (restarted) this.devices[i].reset();
    });
  }

  setConnection(connection: Readonly<Connection>): void {
    this.connection = connection;
    this.disconnectCause = connection.phase === "open" ? null : (this.disconnectCause ?? connection.error);
    if (connection.phase === "open") for (const device of this.devices) device.status = null;
  }
}

/** Mean distance between two sets of 21 points (63 values each), mm. */
export function meanDistance(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i += 3) sum += Math.hypot(a[i] - b[i], a[i + 1] - b[i + 1], a[i + 2] - b[i + 2]);
  return (sum * 3) / a.length;
}
