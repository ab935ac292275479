/** The scene's lights. All but the sky turn with the camera, so that the visible side of the hand is always lit. */

import { DirectionalLight, Group, HemisphereLight } from "three";

export class Lights {
  readonly sky = new HemisphereLight(0xffffff, 0x404040, 1.15);
  private readonly rig = new Group();
  private readonly key = new DirectionalLight(0xfff1e2, 2.5);
  readonly objects = [this.sky, this.rig] as const;

  constructor() {
    const { key } = this;
    key.position.set(260, 520, 420);
    key.castShadow = true;
    key.shadow.mapSize.set(1024, 1024);
    key.shadow.radius = 2.5;
    key.shadow.bias = -0.002;
    key.shadow.normalBias = 3.5;
    Object.assign(key.shadow.camera, { left: -420, right: 420, top: 420, bottom: -260, near: 50, far: 1500 });
    key.target.position.set(0, 120, 0);
    const fill = new DirectionalLight(0xcfe0ff, 0.75);
    fill.position.set(-420, 160, 260);
    const back = new DirectionalLight(0xbcd4ff, 1.6);
    back.position.set(-200, 360, -480);
    this.rig.add(key, key.target, fill, back);
  }

  /** Turn with the camera; `azimuth` in radians. */
  follow(azimuth: number): void {
    this.rig.rotation.y = azimuth;
  }

  setTheme(sky: string, floor: string): void {
    this.sky.color.set(sky);
    this.sky.groundColor.set(floor);
  }

  disableShadows(): void {
    this.key.castShadow = false;
  }
}
