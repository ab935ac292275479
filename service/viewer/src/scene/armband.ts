/** The armband on the forearm: eight pods whose lights show the activity of the eight channels. */

import {
  BoxGeometry, BufferGeometry, Color, CylinderGeometry, ExtrudeGeometry, Group, Mesh, MeshPhongMaterial, Shape,
} from "three";
import { CHANNELS, type Side } from "@myocast/client";

import { channelDeg } from "../guide/bandGeometry";
import { FOREARM } from "../hand/restPose";

/** Width along the arm, and z of its middle, mm. */
const WIDTH = 34;
const MIDDLE = FOREARM.to - 16;
const SHELL_COLOR = new Color(0x2a303a);

/** Modelled in the axes of frame `hand`, like the hand it belongs to. */
export class Armband {
  readonly object = new Group();
  private readonly lights: MeshPhongMaterial[] = [];
  private readonly pods: Group[] = [];
  private side: Side = "right";

  constructor(colors: readonly string[]) {
    const pod = podShape();
    const shell = new MeshPhongMaterial({ color: SHELL_COLOR, specular: 0x30343a, shininess: 30 });
    const lightShape = new BoxGeometry(9, 1.4, 2.6);
    for (let i = 0; i < CHANNELS; i++) this.addPod(pod, shell, lightShape, colors[i]);
    const strap = new Mesh(new CylinderGeometry(1, 1, WIDTH * 0.56, 48, 1, true), shell);
    strap.rotation.x = Math.PI / 2;
    const [w, h] = section();
    strap.scale.set(w + 1.4, 1, h + 1.4);
    strap.position.set(0, -FOREARM.drop, MIDDLE);
    strap.castShadow = strap.receiveShadow = true;
    this.object.add(strap);
    this.placePods();
  }

  /** Put the channels where they sit on this arm. */
  setSide(side: Side): void {
    if (side === this.side) return;
    this.side = side;
    this.placePods();
  }

  /** Set the brightness of the lights; activity of each channel, 0..1. */
  setLevels(levels: ArrayLike<number>): void {
    for (let i = 0; i < CHANNELS; i++) this.lights[i].emissiveIntensity = 0.12 + 1.6 * levels[i];
  }

  private addPod(pod: BufferGeometry, shell: MeshPhongMaterial, lightShape: BufferGeometry, color: string): void {
    const lightMaterial = new MeshPhongMaterial({ color: 0x111318, emissive: color, emissiveIntensity: 0.12 });
    this.lights.push(lightMaterial);
    const group = new Group();
    const body = new Mesh(pod, shell);
    body.castShadow = body.receiveShadow = true;
    const light = new Mesh(lightShape, lightMaterial);
    light.position.set(0, 7.1, 0);
    group.add(body, light);
    this.pods.push(group);
    this.object.add(group);
  }

  /** Seen from the elbow, the x axis of frame `hand` points to the right and y to the back of the arm. */
  private placePods(): void {
    const [w, h] = section();
    this.pods.forEach((pod, i) => {
      const angle = ((90 - channelDeg(this.side, i)) * Math.PI) / 180;
      const [x, y] = [Math.cos(angle) * (w + 1.5), Math.sin(angle) * (h + 1.5)];
      pod.position.set(x, y - FOREARM.drop, MIDDLE);
      pod.rotation.z = Math.atan2(y / (h * h), x / (w * w)) - Math.PI / 2;
    });
  }
}

/** Half width and half thickness of the arm under the band, mm. */
function section(): [number, number] {
  return [FOREARM.width[1] - 2.5, FOREARM.thickness[1] - 2.5];
}

/** A rounded block, 21 mm around the arm, `WIDTH` along it, its base at y = 0. */
function podShape(): BufferGeometry {
  const [w, l, r] = [9.6, WIDTH / 2 - 1, 4];
  const shape = new Shape();
  shape.moveTo(-w + r, -l).lineTo(w - r, -l).quadraticCurveTo(w, -l, w, -l + r);
  shape.lineTo(w, l - r).quadraticCurveTo(w, l, w - r, l).lineTo(-w + r, l);
  shape.quadraticCurveTo(-w, l, -w, l - r).lineTo(-w, -l + r).quadraticCurveTo(-w, -l, -w + r, -l);
  const block = new ExtrudeGeometry(shape, {
    depth: 4.5, bevelEnabled: true, bevelSize: 1.3, bevelThickness: 1.3, bevelSegments: 3, curveSegments: 5,
  });
  return block.rotateX(-Math.PI / 2).translate(0, 1, 0);
}
