/** The page: one connection, one desk that knows, a stage and views that show. */

import "./style.css";

import { connect, type Client, type DeviceAction, type ReplayAction } from "@myocast/client";

import { Desk, meanDistance } from "./desk";
import { STRIP_SECONDS, Strips } from "./emg/strips";
import { expose } from "./hook";
import { Stage, type GhostMode } from "./stage/stage";
import type { Look } from "./hand/hand";
import { DevicesView } from "./ui/devices";
import { element, setHidden, setText } from "./ui/dom";
import { bindKeys } from "./ui/keys";
import { NoticeView, type NoticeAction } from "./ui/notice";
import { Readouts } from "./ui/readouts";
import { RecordingView } from "./ui/recording";
import { ReplayView } from "./ui/replay";
import { CHANNEL_COLORS, Theme } from "./ui/theme";
import { keepToken, takeToken } from "./ui/token";

const REFRESH_MS = 250;
const GHOSTS: readonly GhostMode[] = ["over", "beside", "off"];
const LOOKS: readonly Look[] = ["skin", "both", "bones"];

/** Wires the parts of the page; see the module. */
class Page {
  readonly desk = new Desk();
  readonly theme = new Theme();
  readonly strips: Strips;
  /** `null` where the browser draws no 3-D. */
  readonly stage: Stage | null;
  client: Client;
  private tokenTried: boolean;
  private ghost: GhostMode = "over";
  private look: Look = "skin";
  private readonly readouts = new Readouts();
  private readonly notices: NoticeView;
  private readonly replay: ReplayView;
  private readonly recording: RecordingView;
  private readonly devices: DevicesView;
  private readonly still = matchMedia("(prefers-reduced-motion: reduce)");

  constructor() {
    this.strips = new Strips(element("strips"), this.theme.strips, this.desk.current.traces);
    this.stage = this.openStage();
    this.theme.onChange(() => this.dress());
    this.notices = new NoticeView((action) => this.act(action), (token) => this.useToken(token));
    this.replay = new ReplayView(this.desk, (action) => this.control(action));
    this.recording = new RecordingView(this.desk, (action) => this.client.api.recording(action));
    this.devices = new DevicesView(this.desk, (index) => this.select(index));
    const token = takeToken();
    this.tokenTried = token !== null;
    this.client = this.connect(token);
    this.buttons();
    this.keys();
    addEventListener("hashchange", () => location.hash.includes("token=") && this.useToken(takeToken() ?? ""));
    setInterval(() => this.refresh(), REFRESH_MS);
  }

  private openStage(): Stage | null {
    try {
      return new Stage(
        element("room"), CHANNEL_COLORS, this.theme.room, () => this.still.matches, () => this.beforeDraw(),
        new URLSearchParams(location.search).get("quality") === "full",
      );
    } catch {
      setHidden(element("no-webgl"), false);
      return null;
    }
  }

  private connect(token: string | null): Client {
    const client = connect(new URL(".", location.href), { streams: ["pose", "emg", "imu", "status"], token });
    client.on("connection", (connection) => {
      this.desk.takeConnection(connection);
      this.refresh();
    });
    client.on("hello", (hello) => {
      this.desk.takeHello(hello);
      this.stage?.devices(this.desk.devices.map((device) => device.side));
      this.strips.traces = this.desk.current.traces;
      this.refresh();
    });
    client.on("status", (status) => {
      const device = this.desk.devices[status.device];
      if (!device) return;
      const changed = device.status?.state !== status.state || device.status.recording?.name !== status.recording?.name;
      device.status = status;
      if (changed) this.refresh();
    });
    client.on("pose", (pose) => {
      this.desk.devices[pose.device]?.takePose(pose);
      this.stage?.invalidate();
    });
    client.on("emg", (emg) => {
      this.desk.devices[emg.device]?.takeEmg(emg);
      if (emg.device === this.desk.selected) this.strips.invalidate();
      this.stage?.invalidate();
    });
    this.desk.takeConnection(client.connection);
    return client;
  }

  /** Only the newest pose of each armband is drawn; what came between two pictures is passed over. */
  private beforeDraw(): void {
    const { devices } = this.desk;
    for (let i = 0; i < devices.length; i++) {
      const device = devices[i];
      const pose = device.pose;
      this.stage?.glow(i, device.traces.levels);
      if (!pose || !device.fresh) continue;
      device.fresh = false;
      this.stage?.pose(i, pose.joints, pose.truth, pose.hand);
      if (pose.truth) device.error.add(meanDistance(pose.joints, pose.truth));
      const latency = this.client.latency(pose);
      if (latency !== null) device.screen.add(latency * 1000);
    }
  }

  private refresh(): void {
    if (!this.stage) this.beforeDraw();
    const { traces, entry, pose } = this.desk.current;
    this.notices.show(this.desk, this.tokenTried);
    this.readouts.show(this.desk);
    this.replay.show();
    this.recording.show();
    this.devices.show();
    setHidden(element("vibrate"), !(entry.device && /^(myo|dongle):/.test(entry.device.uri)));
    setHidden(element("ghost"), !pose?.truth);
    setHidden(element("legend"), !pose?.truth || this.ghost === "off");
    const unit = entry.device?.unit === "uV" ? "µV" : (entry.device?.unit ?? "");
    setText(element("emg-scale"), entry.device ? `±${traces.scale} ${unit} · ${STRIP_SECONDS} s` : "");
  }

  private select(index: number): void {
    this.desk.selected = index;
    this.strips.traces = this.desk.current.traces;
    this.strips.invalidate();
    this.refresh();
  }

  private dress(): void {
    this.stage?.setTheme(this.theme.room);
    this.strips.setTheme(this.theme.strips);
  }

  private act(action: NoticeAction): void {
    if (action === "retry") this.client.retry();
    else if (action === "play-again") this.control({ action: "resume" });
  }

  private useToken(token: string): void {
    keepToken(token);
    this.tokenTried = true;
    this.client.close();
    this.client = this.connect(token);
  }

  // A refusal is told by the next status; a server that is gone by the connection.
  private control(action: ReplayAction): void {
    void this.client.api.replay(action, this.desk.selected).catch(() => this.refresh());
  }

  private vibrate(): void {
    const action: DeviceAction = { action: "vibrate", value: "short" };
    void this.client.api.device(action, this.desk.selected).catch(() => this.refresh());
  }

  private nextGhost(): void {
    this.ghost = GHOSTS[(GHOSTS.indexOf(this.ghost) + 1) % GHOSTS.length];
    this.stage?.setGhost(this.ghost);
    this.refresh();
  }

  private nextLook(): void {
    this.look = LOOKS[(LOOKS.indexOf(this.look) + 1) % LOOKS.length];
    this.stage?.setLook(this.look);
  }

  private buttons(): void {
    const on = (id: string, run: () => void): void => element<HTMLElement>(id).addEventListener("click", run);
    on("ghost", () => this.nextGhost());
    on("look", () => this.nextLook());
    on("home", () => this.stage?.eye.view("home"));
    on("theme", () => this.theme.toggle());
    on("vibrate", () => this.vibrate());
  }

  private keys(): void {
    const eye = this.stage?.eye;
    const help = bindKeys([
      { keys: [" "], shown: ["space"], does: "pause the replay, or go on", run: () => this.replay.toggle() },
      { keys: ["j", "l"], shown: ["J", "L"], does: "5 seconds back, forward", run: (key) => this.replay.jump(key === "l" ? 1 : -1) },
      { keys: ["[", "]"], shown: ["[", "]"], does: "slower, faster", run: (key) => this.replay.step(key === "]" ? 1 : -1) },
      { keys: ["r"], shown: ["R"], does: "start or stop recording", run: () => void this.recording.toggle() },
      { keys: ["v"], shown: ["V"], does: "make the armband buzz", run: () => this.vibrate() },
      { keys: ["ArrowLeft", "ArrowRight"], shown: ["←", "→"], does: "turn the hand", run: (key) => eye?.nudge(key === "ArrowLeft" ? -8 : 8, 0, 1) },
      { keys: ["ArrowUp", "ArrowDown"], shown: ["↑", "↓"], does: "look from above, from below", run: (key) => eye?.nudge(0, key === "ArrowUp" ? -5 : 5, 1) },
      { keys: ["+", "=", "-"], shown: ["+", "−"], does: "nearer, farther", run: (key) => eye?.nudge(0, 0, key === "-" ? 1.1 : 1 / 1.1) },
      { keys: ["1"], shown: ["1", "2", "3"], does: "palm, back, thumb side", run: () => eye?.view("palm") },
      { keys: ["2"], does: "back", run: () => eye?.view("back") },
      { keys: ["3"], does: "thumb side", run: () => eye?.view("thumb") },
      { keys: ["0", "Home"], shown: ["0"], does: "reset the view", run: () => eye?.view("home") },
      { keys: ["g"], shown: ["G"], does: "ground truth over, beside, off", run: () => this.nextGhost() },
      { keys: ["b"], shown: ["B"], does: "skin, skin and bones, bones", run: () => this.nextLook() },
      { keys: ["d"], shown: ["D"], does: "next armband", run: () => this.select((this.desk.selected + 1) % this.desk.devices.length) },
      { keys: ["t"], shown: ["T"], does: "dark or light", run: () => this.theme.toggle() },
      { keys: ["?", "h"], shown: ["?"], does: "this list", run: () => help.showHelp() },
    ]);
    element<HTMLElement>("help").addEventListener("click", () => help.showHelp());
  }
}

const page = new Page();
expose(page);
