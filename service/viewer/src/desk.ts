/** What the page knows: the server's hello, and per armband its status, signals and newest pose. */

import type {
  Connection, ConnectionError, DeviceEntry, Emg, Hello, Pose, ReplayStatus, Side, State, Status,
} from "@myocast/client";

import { Traces } from "./emg/traces";
import { Pace } from "./pace";

const TRACE_CAPACITY = 8192;

/** Mean of what was added since it was last asked. */
class Mean {
  private sum = 0;
  private count = 0;

  add(value: number): void {
    this.sum += value;
    this.count++;
  }

  take(): number | null {
    const mean = this.count > 0 ? this.sum / this.count : null;
    this.sum = this.count = 0;
    return mean;
  }
}

/** One armband. */
export class DeviceView {
  entry: DeviceEntry = { device: null, model: null, pose: null };
  status: Status | null = null;
  pose: Pose | null = null;
  /** Whether `pose` still has to be drawn. */
  fresh = false;
  received = 0;
  skipped = 0;
  readonly pace = new Pace();
  readonly age = new Mean();
  readonly screen = new Mean();
  readonly error = new Mean();
  readonly traces = new Traces(TRACE_CAPACITY);

  get state(): State {
    return this.status?.state ?? "connecting";
  }

  get side(): Side {
    return this.pose?.hand ?? this.entry.device?.hand ?? "right";
  }

  describe(entry: DeviceEntry): void {
    const before = this.entry.device;
    this.entry = entry;
    const now = entry.device;
    if (!now) return;
    if (before?.uri === now.uri && before.unit === now.unit && before.emg_mode === now.emg_mode && before.rate_hz === now.rate_hz) return;
    this.traces.reset(now.unit, now.emg_mode, now.rate_hz);
  }

  takePose(pose: Pose): void {
    this.pose = pose;
    this.fresh = true;
    this.received++;
    this.skipped += pose.skipped;
    this.pace.add(pose.seq, pose.t);
    this.age.add(pose.age_ms);
  }

  takeEmg(emg: Emg): void {
    this.traces.add(emg);
  }

  /** Counts of another server process mean nothing for this one. */
  forget(): void {
    this.pose = null;
    this.fresh = false;
    this.skipped = 0;
    this.pace.clear();
    const device = this.entry.device;
    if (device) this.traces.reset(device.unit, device.emg_mode, device.rate_hz);
  }
}

/** See the module. */
export class Desk {
  hello: Hello | null = null;
  connection: Readonly<Connection> = { phase: "connecting", attempt: 0, retryMs: 0, error: null };
  /** What ended the last connection; later attempts only say that nobody answers. */
  cause: ConnectionError | null = null;
  devices: DeviceView[] = [new DeviceView()];
  selected = 0;

  get current(): DeviceView {
    return this.devices[this.selected];
  }

  get replay(): ReplayStatus | null {
    return this.current.status?.replay ?? null;
  }

  /** Whether everything that is shown comes from a server that is there. */
  get online(): boolean {
    return this.connection.phase === "open" && this.hello !== null;
  }

  takeHello(hello: Hello): void {
    const entries = hello.devices.length > 0 ? hello.devices : [hello];
    while (this.devices.length < entries.length) this.devices.push(new DeviceView());
    this.devices.length = entries.length;
    this.selected = Math.min(this.selected, entries.length - 1);
    const restarted = this.hello !== null && this.hello.session !== hello.session;
    this.hello = hello;
    entries.forEach((entry, i) => {
      this.devices[i].describe(entry);
      if (restarted) this.devices[i].forget();
    });
  }

  takeConnection(connection: Readonly<Connection>): void {
    this.connection = connection;
    this.cause = connection.phase === "open" ? null : (this.cause ?? connection.error);
    if (connection.phase === "open") for (const device of this.devices) device.status = null;
  }
}

/** Mean distance of 21 points, mm. */
export function meanDistance(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i += 3) sum += Math.hypot(a[i] - b[i], a[i + 1] - b[i + 1], a[i + 2] - b[i + 2]);
  return (sum * 3) / a.length;
}
