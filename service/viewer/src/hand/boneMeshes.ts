/** The 20 bones and 21 joints of a hand as solid shapes. */

import { DynamicDrawUsage, Group, InstancedMesh, LatheGeometry, Matrix4, SphereGeometry, Vector2, Vector3 } from "three";
import { BONES, POINTS } from "@myocast/client";

import { boneMaterial } from "./materials";

/** Radius of each joint, mm: the wrist is the largest, thumb joints are larger and little-finger joints smaller. */
const JOINT_RADII: readonly number[] = Array.from({ length: POINTS }, (_, i) =>
  i === 0 ? 7.5 : [3.4, 5.4, 4.7, 4][i % 4] * (i < 5 ? 1.12 : i > 16 ? 0.88 : 1),
);

export class BoneMeshes {
  readonly object = new Group();
  private readonly bones: InstancedMesh;
  private readonly joints: InstancedMesh;
  private readonly matrix = new Matrix4();
  private readonly from = new Vector3();
  private readonly along = new Vector3();
  private readonly side = new Vector3();
  private readonly up = new Vector3();

  constructor() {
    const material = boneMaterial();
    this.bones = new InstancedMesh(boneGeometry(), material, BONES.length);
    this.joints = new InstancedMesh(new SphereGeometry(1, 20, 14), material, POINTS);
    for (const mesh of [this.bones, this.joints]) {
      mesh.instanceMatrix.setUsage(DynamicDrawUsage);
      mesh.frustumCulled = false;
      mesh.castShadow = true;
      this.object.add(mesh);
    }
  }

  /** Place bones and joints; `points` = 63 values, mm. */
  setPose(points: ArrayLike<number>): void {
    for (let i = 0; i < BONES.length; i++) this.placeBone(i, points);
    for (let i = 0; i < POINTS; i++) {
      const r = JOINT_RADII[i];
      this.matrix.makeScale(r, r, r).setPosition(points[i * 3], points[i * 3 + 1], points[i * 3 + 2]);
      this.joints.setMatrixAt(i, this.matrix);
    }
    this.bones.instanceMatrix.needsUpdate = this.joints.instanceMatrix.needsUpdate = true;
  }

  private placeBone(i: number, points: ArrayLike<number>): void {
    const from = BONES[i][0];
    const to = BONES[i][1];
    this.from.fromArray(points as number[], from * 3);
    this.along.fromArray(points as number[], to * 3).sub(this.from);
    const r = JOINT_RADII[to];
    this.side.set(0, 1, 0).cross(this.along);
    if (this.side.lengthSq() < 1e-6) this.side.set(1, 0, 0);
    this.side.setLength(r);
    this.up.copy(this.along).cross(this.side).setLength(r);
    this.matrix.makeBasis(this.side, this.along, this.up).setPosition(this.from);
    this.bones.setMatrixAt(i, this.matrix);
  }
}

/** A bone of length 1 along +Y, thick at its ends and thin in the middle. */
function boneGeometry(): LatheGeometry {
  const profile = [
    [0.02, 0], [0.75, 0.04], [0.78, 0.1], [0.55, 0.24], [0.44, 0.5], [0.5, 0.76], [0.7, 0.9], [0.68, 0.96], [0.02, 1],
  ].map(([r, y]) => new Vector2(r, y));
  return new LatheGeometry(profile, 18);
}
