/** The 3-D scene: renderer, camera, lights, floor, and one hand slot per armband. */

import { Color, Group, NeutralToneMapping, PCFShadowMap, Scene, Vector3, WebGLRenderer } from "three";
import { POINTS, type Side } from "@myocast/client";

import type { RenderMode } from "../hand/hand";
import { CameraController } from "./cameraController";
import { Floor } from "./floor";
import { HandSlot, type TruthMode } from "./handSlot";
import { Lights } from "./lights";
import { RenderQuality } from "./renderQuality";

/** Colours of the scene; they follow the page's theme. */
export interface SceneTheme {
  gridColor: string;
  /** Opacity of the grid, 0..1. */
  gridOpacity: number;
  /** Opacity of shadows, 0..1. */
  shadowOpacity: number;
  truthColor: string;
  ghostColor: string;
  skyColor: string;
  floorColor: string;
}

export interface SceneOptions {
  channelColors: readonly string[];
  theme: SceneTheme;
  /** Whether the user asked for reduced motion. */
  reducedMotion: () => boolean;
  /** Called before each frame is rendered. */
  beforeFrame: () => void;
  /** Keep full quality even where frames take long. */
  fullQuality: boolean;
}

/** Distance between two armbands' hands, and between a hand and its ground truth when they stand side by side, mm. */
const SLOT_SPACING = 250;
const TRUTH_SPACING = 175;
/** The part of the scene that the camera keeps in view: its centre, and its size for a single hand, mm. */
const CENTER = new Vector3(0, 152, 0);
const EXTENT = new Vector3(270, 345, 90);

/** Renders a frame only when something changed. */
export class HandScene {
  renderedFrames = 0;
  readonly cameraController: CameraController;
  private readonly canvas: HTMLCanvasElement;
  private readonly renderer: WebGLRenderer;
  private readonly scene = new Scene();
  private readonly floor = new Floor();
  private readonly lights = new Lights();
  private readonly quality: RenderQuality;
  private readonly slots: HandSlot[] = [];
  private readonly slotGroup = new Group();
  private readonly projected = new Vector3();
  private theme: SceneTheme;
  private truthMode: TruthMode = "overlay";
  private renderMode: RenderMode = "skin";
  private hasTruth = false;
  private hasGhost = false;
  private scheduled = false;
  private requestedAtMs = 0;

  /** @throws Error - this browser has no WebGL 2. */
  constructor(
    private readonly container: HTMLElement,
    private readonly options: SceneOptions,
  ) {
    this.theme = options.theme;
    this.quality = new RenderQuality(options.fullQuality);
    this.renderer = new WebGLRenderer({ antialias: true, alpha: true, powerPreference: "high-performance" });
    this.renderer.toneMapping = NeutralToneMapping;
    this.renderer.toneMappingExposure = 1;
    this.renderer.shadowMap.enabled = true;
    this.renderer.shadowMap.type = PCFShadowMap;
    this.canvas = this.renderer.domElement;
    container.append(this.canvas);
    this.cameraController = new CameraController(this.canvas, options.reducedMotion, () => this.invalidate());
    this.scene.add(...this.lights.objects, this.floor.object, this.slotGroup);
    this.setSlotCount(1);
    this.setTheme(options.theme);
    new ResizeObserver(() => this.resize()).observe(container);
    this.resize();
    this.canvas.addEventListener("webglcontextrestored", () => this.invalidate());
  }

  /** Show one hand per armband, side by side. */
  setDevices(sides: readonly Side[]): void {
    this.setSlotCount(sides.length);
    sides.forEach((side, i) => this.slots[i].setSide(side));
    this.invalidate();
  }

  /** Show a pose of an armband from the next frame on. */
  setPose(device: number, joints: Float32Array, truth: Float32Array | null, side: Side): void {
    const slot = this.slots[device];
    if (!slot) return;
    slot.setPose(joints, truth, side);
    if ((truth !== null) !== this.hasTruth) {
      this.hasTruth = truth !== null;
      if (this.truthMode === "beside") this.arrange();
    }
    this.invalidate();
  }

  /** Show that an armband has no predicted pose: a grey outline of a hand at rest. */
  clearPose(device: number, side: Side): void {
    const slot = this.slots[device];
    if (!slot) return;
    slot.clearPose();
    slot.setSide(side);
    this.invalidate();
  }

  /** Show the hand that the wearer is asked to follow, left of the predicted one; `null` = there is none. */
  setGhost(device: number, joints: Float32Array | null, side: Side): void {
    const slot = this.slots[device];
    if (!slot?.setGhost(joints, side)) return;
    this.hasGhost = this.slots.some((one) => one.hasGhost);
    this.arrange();
  }

  /** Light up an armband's sensors; activity of each channel, 0..1. */
  setLevels(device: number, levels: ArrayLike<number>): void {
    this.slots[device]?.setLevels(levels);
    this.invalidate();
  }

  setRenderMode(mode: RenderMode): void {
    this.renderMode = mode;
    for (const slot of this.slots) slot.setRenderMode(mode);
    this.invalidate();
  }

  setTruthMode(mode: TruthMode): void {
    this.truthMode = mode;
    for (const slot of this.slots) slot.setTruthMode(mode);
    this.arrange();
  }

  setTheme(theme: SceneTheme): void {
    this.theme = theme;
    this.floor.setTheme(new Color(theme.gridColor), theme.gridOpacity, theme.shadowOpacity);
    this.lights.setTheme(theme.skyColor, theme.floorColor);
    for (const slot of this.slots) slot.setColors(theme.truthColor, theme.ghostColor);
    this.invalidate();
  }

  /** Render on the next animation frame. */
  invalidate(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    this.requestedAtMs = performance.now();
    requestAnimationFrame(this.render);
  }

  /**
   * The 63 values of an armband's hand as drawn, the bounding box of its skin, mm, frame `hand`, its kind, and the
   * values of the hand that is to be followed.
   */
  drawnHand(device: number): { points: number[]; min: number[]; max: number[]; neutral: boolean; ghost: number[] | null } {
    const { hand, ghost } = this.slots[device];
    const box = hand.bounds();
    const drawn = { points: [...hand.points], min: box.min.toArray(), max: box.max.toArray(), neutral: hand.isNeutral };
    return { ...drawn, ghost: ghost && [...ghost.points] };
  }

  /** Position of a hand's point in CSS pixels from the canvas's top left corner. */
  screenPosition(device: number, point: number): [number, number] {
    if (point < 0 || point >= POINTS) throw new RangeError(`a hand has points 0..${POINTS - 1}, got ${point}`);
    this.scene.updateMatrixWorld();
    this.slots[device].hand.worldPosition(point, this.projected).project(this.cameraController.camera);
    const { clientWidth, clientHeight } = this.canvas;
    return [((this.projected.x + 1) / 2) * clientWidth, ((1 - this.projected.y) / 2) * clientHeight];
  }

  /** Render now and return the frame as a data URL. */
  picture(): string {
    this.render();
    return this.canvas.toDataURL();
  }

  private setSlotCount(count: number): void {
    if (count === this.slots.length) return;
    this.slotGroup.clear();
    this.slots.length = 0;
    for (let i = 0; i < count; i++) {
      const slot = new HandSlot(this.options.channelColors, this.theme.truthColor, this.theme.ghostColor);
      slot.setRenderMode(this.renderMode);
      slot.setTruthMode(this.truthMode);
      this.slots.push(slot);
      this.slotGroup.add(slot.object);
    }
    this.arrange();
  }

  private arrange(): void {
    const truthOffset = this.truthMode === "beside" && this.hasTruth ? TRUTH_SPACING : 0;
    const ghostOffset = this.hasGhost ? TRUTH_SPACING : 0;
    const pitch = SLOT_SPACING + truthOffset + ghostOffset;
    const halfWidth = ((this.slots.length - 1) / 2) * pitch;
    this.slots.forEach((slot, i) => {
      slot.object.position.x = i * pitch - halfWidth + (ghostOffset - truthOffset) / 2;
      slot.setOffsets(truthOffset, -ghostOffset);
    });
    const spread = halfWidth + (truthOffset + ghostOffset) / 2;
    this.floor.setSpread(spread);
    this.cameraController.frame(CENTER, new Vector3(EXTENT.x + 2 * spread, EXTENT.y, EXTENT.z));
    this.resize();
  }

  private readonly render = (): void => {
    const delayMs = this.scheduled ? performance.now() - this.requestedAtMs : 0;
    this.scheduled = false;
    this.options.beforeFrame();
    const animating = this.cameraController.step();
    this.lights.follow(this.cameraController.azimuth);
    this.renderer.render(this.scene, this.cameraController.camera);
    this.renderedFrames++;
    if (animating) this.invalidate();
    if (this.quality.addFrame(delayMs)) this.applyLowerQuality();
  };

  private applyLowerQuality(): void {
    this.lights.disableShadows();
    this.floor.disableShadows();
    this.resize();
  }

  private resize(): void {
    const { clientWidth, clientHeight } = this.container;
    if (clientWidth === 0 || clientHeight === 0) return;
    this.renderer.setPixelRatio(this.quality.pixelRatio);
    this.renderer.setSize(clientWidth, clientHeight, false);
    this.cameraController.resize(clientWidth, clientHeight);
    // A new size clears the canvas: render at once, so that it does not flicker.
    if (this.renderedFrames > 0) this.render();
    else this.invalidate();
  }
}
