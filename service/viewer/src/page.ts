/** Connects the parts of the page: the client fills the store, the scene and the views show it. */

import { connect, type Client, type ReplayAction } from "@myocast/client";

import { StripChart, STRIP_SECONDS } from "./emg/stripChart";
import { Guide } from "./guide/guide";
import type { RenderMode } from "./hand/hand";
import { HandScene } from "./scene/handScene";
import type { TruthMode } from "./scene/handSlot";
import { meanDistance, Store } from "./store";
import { ConfidenceView } from "./ui/confidence";
import { DevicesView } from "./ui/devices";
import { element, setHidden, setText } from "./ui/dom";
import { docsAddress } from "./ui/docsLink";
import { bindHelp } from "./ui/help";
import { bindKeys, type KeyBinding } from "./ui/keyboard";
import { Legend } from "./ui/legend";
import { NoticeView, type NoticeAction } from "./ui/notice";
import { Readouts } from "./ui/readouts";
import { RecordingView } from "./ui/recording";
import { ReplayView } from "./ui/replay";
import { CHANNEL_COLORS, Theme } from "./ui/theme";
import { keepToken, takeToken } from "./ui/token";

/** Milliseconds between updates of the numbers and texts. */
const REFRESH_MS = 250;
const TRUTH_MODES: readonly TruthMode[] = ["overlay", "beside", "off"];
const RENDER_MODES: readonly RenderMode[] = ["skin", "both", "bones"];
const TRUTH_LABELS: Record<TruthMode, string> = { overlay: "Truth over", beside: "Truth beside", off: "Truth off" };
const RENDER_LABELS: Record<RenderMode, string> = { skin: "Skin", both: "Skin, bones", bones: "Bones" };

export class Page {
  readonly store = new Store();
  readonly stripChart: StripChart;
  /** `null` where the browser has no WebGL 2. */
  readonly scene: HandScene | null;
  client: Client;
  private readonly theme = new Theme();
  private readonly readouts = new Readouts();
  private readonly confidence = new ConfidenceView();
  private readonly legend = new Legend();
  private readonly notices: NoticeView;
  private readonly replay: ReplayView;
  private readonly recording: RecordingView;
  private readonly devices: DevicesView;
  private readonly guide: Guide;
  private readonly reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");
  private tokenTried: boolean;
  private truthMode: TruthMode = "overlay";
  private renderMode: RenderMode = "skin";

  constructor() {
    this.stripChart = new StripChart(element("strips"), this.theme.strips, this.store.current.emg);
    this.scene = this.createScene();
    this.theme.onChange(() => this.applyTheme());
    this.notices = new NoticeView((action) => this.runNoticeAction(action), (token) => this.useToken(token), () => this.client.address.token);
    this.replay = new ReplayView(this.store, (action) => this.controlReplay(action));
    this.recording = new RecordingView(this.store, () => this.client.api);
    this.devices = new DevicesView(this.store, (index) => this.selectDevice(index));
    this.guide = new Guide(this.store, () => this.client);
    const token = takeToken();
    this.tokenTried = token !== null;
    this.client = this.connect(token);
    this.bindControls();
    addEventListener("hashchange", () => location.hash.includes("token=") && this.useToken(takeToken() ?? ""));
    setInterval(() => this.refresh(), REFRESH_MS);
  }

  private createScene(): HandScene | null {
    try {
      return new HandScene(element("scene"), {
        channelColors: CHANNEL_COLORS,
        theme: this.theme.scene,
        reducedMotion: () => this.reducedMotion.matches,
        beforeFrame: () => this.updateScene(),
        fullQuality: new URLSearchParams(location.search).get("quality") === "full",
      });
    } catch {
      setHidden(element("no-webgl"), false);
      return null;
    }
  }

  private connect(token: string | null): Client {
    const client = connect(new URL(".", location.href), { streams: ["pose", "emg", "imu", "status"], token });
    client.on("connection", (connection) => {
      this.store.setConnection(connection);
      this.refresh();
    });
    client.on("hello", (hello) => {
      this.store.setHello(hello);
      this.scene?.setDevices(this.store.devices.map((device) => device.side));
      this.store.devices.forEach((device, i) => device.isPredicted || this.scene?.clearPose(i, device.side));
      this.stripChart.signals = this.store.current.emg;
      this.refresh();
    });
    client.on("status", (status) => {
      const device = this.store.devices[status.device];
      if (!device) return;
      const guided = status.device === this.store.selected;
      const changed = device.status?.state !== status.state || device.status.recording?.name !== status.recording?.name;
      device.status = status;
      device.ghost.follow(status.labels?.prompt?.joints ?? null, performance.now());
      if (changed) this.refresh();
      else if (guided) this.guide.show();
      if (guided) this.legend.show(this.store, this.truthMode !== "off");
      this.scene?.invalidate();
    });
    client.on("pose", (pose) => {
      this.store.devices[pose.device]?.addPose(pose);
      this.guide.onPose(pose);
      this.scene?.invalidate();
    });
    client.on("emg", (emg) => {
      this.store.devices[emg.device]?.addEmg(emg);
      if (emg.device === this.store.selected) this.stripChart.invalidate();
      this.scene?.invalidate();
    });
    this.store.setConnection(client.connection);
    return client;
  }

  /** Put each armband's hand of this moment into the scene; older poses that were never drawn are skipped. */
  private updateScene(): void {
    const { devices } = this.store;
    for (let i = 0; i < devices.length; i++) {
      const device = devices[i];
      const pose = device.pose;
      this.scene?.setLevels(i, device.emg.levels);
      this.scene?.setGhost(i, device.ghost.points(performance.now()), device.side);
      if (!pose || !(device.poseIsNew || device.inbetween.moving)) continue;
      this.scene?.setPose(i, device.inbetween.points(performance.now()), pose.truth, pose.hand);
      if (!device.poseIsNew) continue;
      device.poseIsNew = false;
      if (pose.truth) device.errorMm.add(meanDistance(pose.joints, pose.truth));
      const latency = this.client.latency(pose);
      if (latency !== null) device.latencyMs.add(latency * 1000);
    }
  }

  private refresh(): void {
    // Without a scene no frame is rendered that would take the poses.
    if (!this.scene) this.updateScene();
    const { emg, entry, pose } = this.store.current;
    this.notices.show(this.store, this.tokenTried);
    this.readouts.show(this.store);
    this.confidence.show(this.store);
    this.replay.show();
    this.recording.show();
    this.devices.show();
    this.guide.show();
    setHidden(element("vibrate"), !(entry.device && /^(myo|dongle):/.test(entry.device.uri)));
    setHidden(element("truth"), !pose?.truth);
    this.legend.show(this.store, this.truthMode !== "off");
    const unit = entry.device?.unit === "uV" ? "µV" : (entry.device?.unit ?? "");
    setText(element("emg-scale"), entry.device ? `±${emg.scale} ${unit} · ${STRIP_SECONDS} s` : "");
  }

  private selectDevice(index: number): void {
    this.store.selected = index;
    this.stripChart.signals = this.store.current.emg;
    this.stripChart.invalidate();
    this.refresh();
  }

  private applyTheme(): void {
    this.showLabels();
    this.scene?.setTheme(this.theme.scene);
    this.stripChart.setTheme(this.theme.strips);
  }

  private runNoticeAction(action: NoticeAction): void {
    if (action === "retry") this.client.retry();
    else if (action === "play-again") this.controlReplay({ action: "resume" });
  }

  private useToken(token: string): void {
    keepToken(token);
    this.tokenTried = true;
    this.client.close();
    this.client = this.connect(token);
  }

  // Requests report no errors here: the next status message shows a refused one, the connection a lost server.
  private controlReplay(action: ReplayAction): void {
    void this.client.api.replay(action, this.store.selected).catch(() => this.refresh());
  }

  private vibrate(): void {
    void this.client.api
      .device({ action: "vibrate", value: "short" }, this.store.selected)
      .catch(() => this.refresh());
  }

  private nextTruthMode(): void {
    this.truthMode = next(TRUTH_MODES, this.truthMode);
    this.scene?.setTruthMode(this.truthMode);
    this.showLabels();
    this.refresh();
  }

  private nextRenderMode(): void {
    this.renderMode = next(RENDER_MODES, this.renderMode);
    this.scene?.setRenderMode(this.renderMode);
    this.showLabels();
  }

  /** Label the buttons that step through states with the state they are in. */
  private showLabels(): void {
    setToolLabel("truth", TRUTH_LABELS[this.truthMode]);
    setToolLabel("render-mode", RENDER_LABELS[this.renderMode]);
    setToolLabel("theme", this.theme.name === "dark" ? "Dark" : "Light");
  }

  private bindControls(): void {
    bindKeys(this.keyBindings());
    bindHelp();
    this.showLabels();
    element<HTMLAnchorElement>("docs-link").addEventListener("click", (event) => {
      // The token may have changed since the page was loaded.
      (event.currentTarget as HTMLAnchorElement).href = docsAddress(this.client.address.token);
    });
    const onClick = (id: string, run: () => void): void => element<HTMLElement>(id).addEventListener("click", run);
    onClick("truth", () => this.nextTruthMode());
    onClick("render-mode", () => this.nextRenderMode());
    onClick("home", () => this.scene?.cameraController.moveTo("home"));
    onClick("theme", () => this.theme.toggle());
    onClick("vibrate", () => this.vibrate());
  }

  private keyBindings(): KeyBinding[] {
    const camera = this.scene?.cameraController;
    return [
      { keys: [" "], shown: ["space"], does: "pause or resume the replay", run: () => this.replay.toggle() },
      { keys: ["j", "l"], shown: ["J", "L"], does: "5 seconds back, forward", run: (key) => this.replay.jump(key === "l" ? 1 : -1) },
      { keys: ["[", "]"], shown: ["[", "]"], does: "slower, faster", run: (key) => this.replay.step(key === "]" ? 1 : -1) },
      { keys: ["r"], shown: ["R"], does: "start or stop recording", run: () => void this.recording.toggle() },
      { keys: ["s"], shown: ["S"], does: "open or close the steps", run: () => this.guide.toggleOpen() },
      { keys: ["v"], shown: ["V"], does: "make the armband vibrate", run: () => this.vibrate() },
      { keys: ["ArrowLeft", "ArrowRight"], shown: ["←", "→"], does: "turn the hand", run: (key) => camera?.nudge(key === "ArrowLeft" ? -8 : 8, 0, 1) },
      { keys: ["ArrowUp", "ArrowDown"], shown: ["↑", "↓"], does: "look from above, from below", run: (key) => camera?.nudge(0, key === "ArrowUp" ? -5 : 5, 1) },
      { keys: ["+", "=", "-"], shown: ["+", "−"], does: "zoom in, out", run: (key) => camera?.nudge(0, 0, key === "-" ? 1.1 : 1 / 1.1) },
      { keys: ["1"], shown: ["1", "2", "3"], does: "palm, back, thumb side", run: () => camera?.moveTo("palm") },
      { keys: ["2"], does: "back", run: () => camera?.moveTo("back") },
      { keys: ["3"], does: "thumb side", run: () => camera?.moveTo("thumb") },
      { keys: ["0", "Home"], shown: ["0"], does: "reset the view", run: () => camera?.moveTo("home") },
      { keys: ["g"], shown: ["G"], does: "ground truth over the hand, beside it, off", run: () => this.nextTruthMode() },
      { keys: ["b"], shown: ["B"], does: "skin, skin and bones, bones", run: () => this.nextRenderMode() },
      { keys: ["d"], shown: ["D"], does: "next armband", run: () => this.selectDevice((this.store.selected + 1) % this.store.devices.length) },
      { keys: ["t"], shown: ["T"], does: "dark or light theme", run: () => this.theme.toggle() },
    ];
  }
}

function setToolLabel(id: string, label: string): void {
  setText(element(id).querySelector(".label > :last-child") as HTMLElement, label);
}

/** The element after `current`; the first after the last. */
function next<T>(values: readonly T[], current: T): T {
  return values[(values.indexOf(current) + 1) % values.length];
}
