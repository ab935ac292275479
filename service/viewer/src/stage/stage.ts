/** The lit room: renderer, lamps, floor, and one place per armband. */

import {
  Color, DirectionalLight, Group, HemisphereLight, Matrix4, NeutralToneMapping, PCFShadowMap, Scene, Vector3, WebGLRenderer,
} from "three";
import { POINTS, type Side } from "@myocast/client";

import { Hand, type Look } from "../hand/hand";
import { FOREARM } from "../hand/rest";
import { Armband } from "./armband";
import { Eye } from "./camera";
import { Ground } from "./ground";

export type GhostMode = "over" | "beside" | "off";

/** Colours of the room that follow the page's theme. */
export interface RoomTheme {
  line: string;
  grid: number;
  shadow: number;
  ghost: string;
  sky: string;
  floor: string;
}

const STANDING = FOREARM.to + 22;
// Fingers up, palm to the eye: frame `hand` has -Z along the hand and +Y out of its back.
const UPRIGHT = new Matrix4().makeBasis(new Vector3(-1, 0, 0), new Vector3(0, 0, -1), new Vector3(0, -1, 0));
const APART = 250;
const BESIDE = 175;
/** A picture that waits longer than this, this many times more often than not, is too dear for this machine. */
const SLOW_MS = 45;
const PATIENCE = 12;
const LAST_STEP = 2;

/** One armband's hand, its truth, and the band itself. */
class Place {
  readonly object = new Group();
  readonly hand = new Hand("solid");
  readonly ghost: Hand;
  readonly band: Armband;
  private readonly upright = new Group();
  private readonly ghostUpright = new Group();

  constructor(channels: readonly string[], ghost: string) {
    this.ghost = new Hand("ghost", ghost);
    this.band = new Armband(channels);
    for (const group of [this.upright, this.ghostUpright]) {
      group.quaternion.setFromRotationMatrix(UPRIGHT);
      group.position.y = STANDING;
      this.object.add(group);
    }
    this.upright.add(this.hand.object, this.band.object);
    this.ghostUpright.add(this.ghost.object);
    this.ghost.object.visible = false;
  }

  ghostAside(mm: number): void {
    this.ghostUpright.position.x = mm;
  }

  /** Which way round the hand is; its next pose says it too. */
  side(side: Side): void {
    this.hand.side(side);
    this.band.object.scale.x = side === "left" ? -1 : 1;
  }

  pose(joints: Float32Array, truth: Float32Array | null, side: Side, ghost: GhostMode): void {
    this.hand.pose(joints, side);
    this.band.object.scale.x = side === "left" ? -1 : 1;
    this.ghost.object.visible = truth !== null && ghost !== "off";
    if (truth) this.ghost.pose(truth, side);
  }
}

/** See the module. Draws only when something changed. */
export class Stage {
  /** Pictures drawn so far. */
  drawn = 0;
  readonly eye: Eye;
  readonly canvas: HTMLCanvasElement;
  private readonly renderer: WebGLRenderer;
  private readonly scene = new Scene();
  private readonly ground = new Ground();
  private readonly sky = new HemisphereLight(0xffffff, 0x404040, 1.15);
  /** Turn with the eye, so that no side of the hand is in the dark. */
  private readonly lamps = new Group();
  private readonly places: Place[] = [];
  private ghostMode: GhostMode = "over";
  private look: Look = "skin";
  private scheduled = false;
  private askedAt = 0;
  private slow = 0;
  /** 0 = everything; 1 = no cast shadows; 2 = fewer pixels too. */
  private economy = 0;
  private readonly key = new DirectionalLight(0xfff1e2, 2.5);
  private readonly point = new Vector3();
  private theme: RoomTheme;
  private room: Group = new Group();
  private hasTruth = false;

  /** @throws Error - this browser has no WebGL 2. */
  constructor(
    private readonly holder: HTMLElement,
    private readonly channels: readonly string[],
    theme: RoomTheme,
    still: () => boolean,
    private readonly beforeDraw: () => void,
    /** Never save on looks, however long a picture takes. */
    private readonly finest = false,
  ) {
    this.theme = theme;
    this.renderer = new WebGLRenderer({ antialias: true, alpha: true, powerPreference: "high-performance" });
    this.renderer.toneMapping = NeutralToneMapping;
    this.renderer.toneMappingExposure = 1;
    this.renderer.shadowMap.enabled = true;
    this.renderer.shadowMap.type = PCFShadowMap;
    this.canvas = this.renderer.domElement;
    holder.append(this.canvas);
    this.eye = new Eye(this.canvas, still, () => this.invalidate());
    this.light();
    this.scene.add(this.ground.object, this.room);
    this.count(1);
    this.setTheme(theme);
    new ResizeObserver(() => this.resize()).observe(holder);
    this.resize();
    this.canvas.addEventListener("webglcontextrestored", () => this.invalidate());
  }

  /** One hand per armband, side by side, each of its side. */
  devices(sides: readonly Side[]): void {
    this.count(sides.length);
    sides.forEach((side, i) => this.places[i].side(side));
    this.invalidate();
  }

  private count(count: number): void {
    if (count === this.places.length) return;
    this.room.clear();
    this.places.length = 0;
    for (let i = 0; i < count; i++) {
      const place = new Place(this.channels, this.theme.ghost);
      place.hand.look(this.look);
      this.places.push(place);
      this.room.add(place.object);
    }
    this.arrange();
  }

  /** Take the newest pose of an armband; it is drawn with the next picture. */
  pose(device: number, joints: Float32Array, truth: Float32Array | null, side: Side): void {
    const place = this.places[device];
    if (!place) return;
    place.pose(joints, truth, side, this.ghostMode);
    if ((truth !== null) !== this.hasTruth) {
      this.hasTruth = truth !== null;
      if (this.ghostMode === "beside") this.arrange();
    }
    this.invalidate();
  }

  glow(device: number, levels: ArrayLike<number>): void {
    this.places[device]?.band.glow(levels);
    this.invalidate();
  }

  setLook(look: Look): void {
    this.look = look;
    for (const place of this.places) place.hand.look(look);
    this.invalidate();
  }

  setGhost(mode: GhostMode): void {
    this.ghostMode = mode;
    for (const place of this.places) place.ghost.object.visible = mode !== "off" && this.hasTruth;
    this.arrange();
  }

  setTheme(theme: RoomTheme): void {
    this.theme = theme;
    this.ground.theme(new Color(theme.line), theme.grid, theme.shadow);
    this.sky.color.set(theme.sky);
    this.sky.groundColor.set(theme.floor);
    for (const place of this.places) place.ghost.tint(theme.ghost);
    this.invalidate();
  }

  /** Ask for a picture with the next refresh of the screen. */
  invalidate(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    this.askedAt = performance.now();
    requestAnimationFrame(this.draw);
  }

  /** The points of an armband's hand as drawn, 63 values in mm, and its skin's box. */
  drawnHand(device: number): { points: number[]; min: number[]; max: number[] } {
    const hand = this.places[device].hand;
    const box = hand.bounds();
    return { points: [...hand.points], min: box.min.toArray(), max: box.max.toArray() };
  }

  /** Where a point of a hand is on the page, CSS pixels from the canvas's corner. */
  onScreen(device: number, point: number): [number, number] {
    const hand = this.places[device].hand;
    if (point < 0 || point >= POINTS) throw new RangeError(`a hand has points 0..${POINTS - 1}, got ${point}`);
    this.point.fromArray(hand.points, point * 3);
    if (hand.object.scale.x < 0) this.point.x *= -1;
    this.scene.updateMatrixWorld();
    this.point.applyMatrix4(hand.object.matrixWorld).project(this.eye.camera);
    const { clientWidth, clientHeight } = this.canvas;
    return [((this.point.x + 1) / 2) * clientWidth, ((1 - this.point.y) / 2) * clientHeight];
  }

  /** Draw now, and give what was drawn as a data URL. */
  picture(): string {
    this.draw();
    return this.canvas.toDataURL();
  }

  private readonly draw = (): void => {
    const waited = this.scheduled ? performance.now() - this.askedAt : 0;
    this.scheduled = false;
    this.beforeDraw();
    const gliding = this.eye.step();
    this.lamps.rotation.y = this.eye.azimuth;
    this.renderer.render(this.scene, this.eye.camera);
    this.drawn++;
    if (gliding) this.invalidate();
    this.economise(waited);
  };

  private resize(): void {
    const { clientWidth, clientHeight } = this.holder;
    if (clientWidth === 0 || clientHeight === 0) return;
    this.renderer.setPixelRatio(this.pixelRatio());
    this.renderer.setSize(clientWidth, clientHeight, false);
    this.eye.resize(clientWidth, clientHeight);
    // A new size empties the canvas: draw at once, so that it does not flicker.
    if (this.drawn > 0) this.draw();
    else this.invalidate();
  }

  // Where the processor has to draw (no graphics card, a virtual machine), a fluid hand comes before a fine one.
  private economise(waited: number): void {
    this.slow = waited > SLOW_MS ? this.slow + 1 : Math.max(0, this.slow - 1);
    if (this.slow < PATIENCE || this.economy === LAST_STEP || this.finest) return;
    this.slow = 0;
    this.economy++;
    this.key.castShadow = false;
    this.ground.plain();
    this.resize();
  }

  private pixelRatio(): number {
    return Math.min(window.devicePixelRatio, 2) * (this.economy === LAST_STEP ? 0.7 : 1);
  }

  private arrange(): void {
    const aside = this.ghostMode === "beside" && this.hasTruth ? BESIDE : 0;
    const pitch = APART + aside;
    this.places.forEach((place, i) => {
      place.object.position.x = (i - (this.places.length - 1) / 2) * pitch - aside / 2;
      place.ghostAside(aside);
    });
    const spread = ((this.places.length - 1) / 2) * pitch + aside / 2;
    this.ground.spread = spread;
    this.eye.frame(new Vector3(0, 152, 0), new Vector3(270 + 2 * spread, 345, 90));
    this.resize();
  }

  private light(): void {
    const { key } = this;
    key.position.set(260, 520, 420);
    key.castShadow = true;
    key.shadow.mapSize.set(1024, 1024);
    key.shadow.radius = 2.5;
    key.shadow.bias = -0.002;
    key.shadow.normalBias = 3.5;
    Object.assign(key.shadow.camera, { left: -420, right: 420, top: 420, bottom: -260, near: 50, far: 1500 });
    const fill = new DirectionalLight(0xcfe0ff, 0.75);
    fill.position.set(-420, 160, 260);
    const back = new DirectionalLight(0xbcd4ff, 1.6);
    back.position.set(-200, 360, -480);
    key.target.position.set(0, 120, 0);
    this.lamps.add(key, key.target, fill, back);
    this.scene.add(this.sky, this.lamps);
  }
}
