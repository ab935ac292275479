/** Where the eye is: orbit by pointer, wheel, touch and keys, with named views to go back to. */

import { MathUtils, PerspectiveCamera, Spherical, Vector3 } from "three";
import { OrbitControls } from "three/addons/controls/OrbitControls.js";

export type View = "home" | "palm" | "back" | "thumb";

/** Azimuth and polar angle in degrees. */
const VIEWS: Record<View, readonly [number, number]> = {
  home: [30, 80],
  palm: [0, 86],
  back: [180, 86],
  thumb: [84, 84],
};

const FOV = 28;
const GLIDE_MS = 420;

/** See the module. `changed` is called whenever the picture has to be drawn anew. */
export class Eye {
  readonly camera = new PerspectiveCamera(FOV, 1, 20, 6000);
  private readonly controls: OrbitControls;
  private readonly target = new Vector3();
  private readonly goal = new Spherical();
  private readonly start = new Spherical();
  private readonly now = new Spherical();
  private readonly offset = new Vector3();
  private glideFrom = -1;
  private extent = new Vector3(1, 1, 1);

  constructor(
    element: HTMLElement,
    private readonly still: () => boolean,
    private readonly changed: () => void,
  ) {
    this.controls = new OrbitControls(this.camera, element);
    this.controls.enablePan = false;
    this.controls.enableDamping = false;
    this.controls.rotateSpeed = 0.9;
    this.controls.minPolarAngle = MathUtils.degToRad(12);
    this.controls.maxPolarAngle = MathUtils.degToRad(104);
    this.controls.addEventListener("change", changed);
    this.controls.addEventListener("start", () => (this.glideFrom = -1));
  }

  /** Look at a box of this size (mm) around `center`, from the home view. */
  frame(center: Vector3, extent: Vector3): void {
    this.target.copy(center);
    this.extent.copy(extent);
    this.controls.target.copy(center);
    this.jump("home");
  }

  /** The stage changed its shape: keep the same things in sight. */
  resize(width: number, height: number): void {
    this.camera.aspect = width / height;
    this.camera.updateProjectionMatrix();
    const zoom = this.controls.getDistance() / (this.controls.maxDistance / 3);
    this.limits();
    this.now.setFromVector3(this.offset.copy(this.camera.position).sub(this.target));
    this.now.radius = (this.controls.maxDistance / 3) * (Number.isFinite(zoom) && zoom > 0.1 ? zoom : 1);
    this.place(this.now);
  }

  /** Glide to a named view (at once where motion is unwelcome). */
  view(view: View): void {
    if (this.still()) return this.jump(view);
    this.start.setFromVector3(this.offset.copy(this.camera.position).sub(this.target));
    this.aim(view);
    const turn = this.goal.theta - this.start.theta;
    this.goal.theta -= Math.round(turn / (2 * Math.PI)) * 2 * Math.PI;
    this.glideFrom = performance.now();
    this.changed();
  }

  /** Turn by degrees, move nearer by a factor below 1 or away by one above. */
  nudge(azimuth: number, polar: number, zoom: number): void {
    this.glideFrom = -1;
    this.now.setFromVector3(this.offset.copy(this.camera.position).sub(this.target));
    this.now.theta += MathUtils.degToRad(azimuth);
    this.now.phi = MathUtils.clamp(
      this.now.phi + MathUtils.degToRad(polar), this.controls.minPolarAngle, this.controls.maxPolarAngle,
    );
    this.now.radius = MathUtils.clamp(this.now.radius * zoom, this.controls.minDistance, this.controls.maxDistance);
    this.place(this.now);
  }

  /** Angle around the vertical, radians; 0 = from the front. */
  get azimuth(): number {
    return this.controls.getAzimuthalAngle();
  }

  /** Go on with a glide. Returns whether it needs another frame. */
  step(): boolean {
    if (this.glideFrom < 0) return false;
    const t = Math.min((performance.now() - this.glideFrom) / GLIDE_MS, 1);
    const eased = 1 - (1 - t) ** 3;
    this.now.theta = MathUtils.lerp(this.start.theta, this.goal.theta, eased);
    this.now.phi = MathUtils.lerp(this.start.phi, this.goal.phi, eased);
    this.now.radius = MathUtils.lerp(this.start.radius, this.goal.radius, eased);
    if (t === 1) this.glideFrom = -1;
    this.place(this.now);
    return t < 1;
  }

  private jump(view: View): void {
    this.glideFrom = -1;
    this.aim(view);
    this.place(this.goal);
  }

  private aim(view: View): void {
    this.limits();
    const [azimuth, polar] = VIEWS[view];
    this.goal.set(this.controls.maxDistance / 3, MathUtils.degToRad(polar), MathUtils.degToRad(azimuth));
  }

  private limits(): void {
    const tan = Math.tan(MathUtils.degToRad(FOV / 2));
    const distance = Math.max(this.extent.y / 2 / tan, this.extent.x / 2 / tan / this.camera.aspect) + this.extent.z / 2;
    this.controls.minDistance = distance * 0.35;
    this.controls.maxDistance = distance * 3;
  }

  private place(at: Spherical): void {
    this.camera.position.setFromSpherical(at).add(this.target);
    this.controls.update();
    this.changed();
  }
}
