/** The camera: orbit by pointer, wheel, touch and keys, and named views to return to. */

import { MathUtils, PerspectiveCamera, Spherical, Vector3 } from "three";
import { OrbitControls } from "three/addons/controls/OrbitControls.js";

export type View = "home" | "palm" | "back" | "thumb";

/** Azimuth (0 = from the front) and polar angle (90 = level) of each view, degrees. */
const VIEWS: Record<View, readonly [number, number]> = {
  home: [30, 80],
  palm: [0, 86],
  back: [180, 86],
  thumb: [84, 84],
};

/** Vertical field of view, degrees. */
const FIELD_OF_VIEW = 28;
const ANIMATION_MS = 420;

/** Moves the camera around a target; calls `onChange` whenever the scene has to be rendered again. */
export class CameraController {
  readonly camera = new PerspectiveCamera(FIELD_OF_VIEW, 1, 20, 6000);
  private readonly controls: OrbitControls;
  private readonly target = new Vector3();
  private readonly goal = new Spherical();
  private readonly start = new Spherical();
  private readonly current = new Spherical();
  private readonly offset = new Vector3();
  /** When the running animation started; negative = none runs. */
  private animationStartMs = -1;
  /** Distance at which the framed box fills the canvas, mm. */
  private framingDistance = 1;
  private extent = new Vector3(1, 1, 1);

  constructor(
    element: HTMLElement,
    private readonly reducedMotion: () => boolean,
    private readonly onChange: () => void,
  ) {
    this.controls = new OrbitControls(this.camera, element);
    this.controls.enablePan = false;
    this.controls.enableDamping = false;
    this.controls.rotateSpeed = 0.9;
    this.controls.minPolarAngle = MathUtils.degToRad(12);
    this.controls.maxPolarAngle = MathUtils.degToRad(104);
    this.controls.addEventListener("change", onChange);
    this.controls.addEventListener("start", () => (this.animationStartMs = -1));
  }

  /** Show a box of this size (mm) around `center`, from the home view. */
  frame(center: Vector3, extent: Vector3): void {
    this.target.copy(center);
    this.extent.copy(extent);
    this.controls.target.copy(center);
    this.jumpTo("home");
  }

  /** Adapt to a new canvas size; the zoom, relative to the framed box, stays. */
  resize(width: number, height: number): void {
    this.camera.aspect = width / height;
    this.camera.updateProjectionMatrix();
    const zoom = this.controls.getDistance() / this.framingDistance;
    this.updateLimits();
    this.readPosition(this.current);
    this.current.radius = this.framingDistance * (Number.isFinite(zoom) && zoom > 0.1 ? zoom : 1);
    this.applyPosition(this.current);
  }

  /** Move to a named view: animated, or at once where the user asked for reduced motion. */
  moveTo(view: View): void {
    if (this.reducedMotion()) return this.jumpTo(view);
    this.readPosition(this.start);
    this.setGoal(view);
    const turn = this.goal.theta - this.start.theta;
    this.goal.theta -= Math.round(turn / (2 * Math.PI)) * 2 * Math.PI;
    this.animationStartMs = performance.now();
    this.onChange();
  }

  /** Turn by angles in degrees and multiply the distance by `zoom`. */
  nudge(azimuth: number, polar: number, zoom: number): void {
    this.animationStartMs = -1;
    this.readPosition(this.current);
    this.current.theta += MathUtils.degToRad(azimuth);
    this.current.phi = MathUtils.clamp(
      this.current.phi + MathUtils.degToRad(polar), this.controls.minPolarAngle, this.controls.maxPolarAngle,
    );
    this.current.radius = MathUtils.clamp(this.current.radius * zoom, this.controls.minDistance, this.controls.maxDistance);
    this.applyPosition(this.current);
  }

  /** Angle around the vertical axis, radians; 0 = from the front. */
  get azimuth(): number {
    return this.controls.getAzimuthalAngle();
  }

  /** Advance the animation. Returns whether it needs another frame. */
  step(): boolean {
    if (this.animationStartMs < 0) return false;
    const t = Math.min((performance.now() - this.animationStartMs) / ANIMATION_MS, 1);
    const eased = 1 - (1 - t) ** 3;
    this.current.theta = MathUtils.lerp(this.start.theta, this.goal.theta, eased);
    this.current.phi = MathUtils.lerp(this.start.phi, this.goal.phi, eased);
    this.current.radius = MathUtils.lerp(this.start.radius, this.goal.radius, eased);
    if (t === 1) this.animationStartMs = -1;
    this.applyPosition(this.current);
    return t < 1;
  }

  private readPosition(out: Spherical): void {
    out.setFromVector3(this.offset.copy(this.camera.position).sub(this.target));
  }

  private jumpTo(view: View): void {
    this.animationStartMs = -1;
    this.setGoal(view);
    this.applyPosition(this.goal);
  }

  private setGoal(view: View): void {
    this.updateLimits();
    const [azimuth, polar] = VIEWS[view];
    this.goal.set(this.framingDistance, MathUtils.degToRad(polar), MathUtils.degToRad(azimuth));
  }

  private updateLimits(): void {
    const tan = Math.tan(MathUtils.degToRad(FIELD_OF_VIEW / 2));
    const { x, y, z } = this.extent;
    this.framingDistance = Math.max(y / 2 / tan, x / 2 / tan / this.camera.aspect) + z / 2;
    this.controls.minDistance = this.framingDistance * 0.35;
    this.controls.maxDistance = this.framingDistance * 3;
  }

  private applyPosition(position: Spherical): void {
    this.camera.position.setFromSpherical(position).add(this.target);
    this.controls.update();
    this.onChange();
  }
}
