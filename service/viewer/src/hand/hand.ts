/** A hand on the stage: skin, bones, or both, posed by 63 numbers. */

import {
  Bone, Box3, DetachedBindMode, DynamicDrawUsage, Group, InstancedMesh, LatheGeometry, Matrix4,
  Skeleton, SkinnedMesh, SphereGeometry, Vector2, Vector3, type BufferGeometry, type Material, type MeshLambertMaterial,
} from "three";
import { BONES, POINTS, VALUES, type Side } from "@myocast/client";

import { boneMaterial, shellMaterial, nailMaterial, skinMaterial } from "./materials";
import { REST } from "./rest";
import { BONE_COUNT, Rig } from "./rig";
import { makeSkin, type Skin } from "./skin";

export type Look = "skin" | "both" | "bones";

const SKIN_COLOR = "#e2a98a";

let shared: Skin | null = null;

/** The posed bones of three's skinning, written by our rig instead of a tree of objects. */
class RigSkeleton extends Skeleton {
  readonly rig: Rig;

  constructor() {
    super(Array.from({ length: BONE_COUNT }, () => new Bone()));
    this.computeBoneTexture();
    this.rig = new Rig(this.boneMatrices as Float32Array);
  }

  override update(): void {
    if (this.boneTexture) this.boneTexture.needsUpdate = true;
  }
}

/** See the module. Local axes are those of frame `hand`, millimetres. */
export class Hand {
  readonly object = new Group();
  /** The points as they were last drawn, of the hand's own side. */
  readonly points = Float32Array.from(REST);

  private readonly mirrored = Float32Array.from(REST);
  private readonly skeleton = new RigSkeleton();
  private readonly skin: SkinnedMesh;
  private readonly nails: SkinnedMesh;
  private readonly shell: SkinnedMesh;
  private readonly skeletonView: Bones | null;
  private drawnSide: Side = "right";

  constructor(kind: "solid" | "ghost", color = SKIN_COLOR) {
    shared ??= makeSkin();
    const solid = kind === "solid";
    this.skin = this.mesh(shared.skin, skinMaterial());
    this.nails = this.mesh(shared.nails, nailMaterial());
    this.shell = this.mesh(shared.skin, shellMaterial(color, !solid));
    this.shell.renderOrder = 2;
    for (const mesh of [this.skin, this.nails]) mesh.castShadow = mesh.receiveShadow = true;
    this.skeletonView = solid ? new Bones() : null;
    if (this.skeletonView) this.object.add(this.skeletonView.object);
    this.look(solid ? "skin" : "both");
    if (!solid) this.skin.visible = this.nails.visible = false;
  }

  /**
   * Take a pose.
   *
   * @param joints - 63 values, millimetres, points of a hand of this side.
   */
  pose(joints: ArrayLike<number>, side: Side): void {
    this.drawnSide = side;
    const flip = side === "left" ? -1 : 1;
    for (let i = 0; i < VALUES; i++) {
      this.points[i] = joints[i];
      this.mirrored[i] = i % 3 === 0 ? joints[i] * flip : joints[i];
    }
    this.object.scale.x = Math.abs(this.object.scale.x) * flip;
    this.skeleton.rig.pose(this.mirrored);
    this.skeletonView?.pose(this.mirrored);
  }

  look(look: Look): void {
    this.skin.visible = this.nails.visible = look === "skin";
    this.shell.visible = look === "both";
    if (this.skeletonView) this.skeletonView.object.visible = look !== "skin";
  }

  /** Which way round the hand is; the next pose says it too. */
  side(side: Side): void {
    if (side === this.drawnSide) return;
    for (let i = 0; i < VALUES; i += 3) this.points[i] *= -1;
    this.pose(this.points, side);
  }

  /** Colour of a see-through hand. */
  tint(color: string): void {
    (this.shell.material as MeshLambertMaterial).color.set(color);
  }

  /** Box around the skin as it is posed now, in the axes of frame `hand`. */
  bounds(): Box3 {
    const box = new Box3();
    const point = new Vector3();
    for (let v = 0; v < this.skin.geometry.getAttribute("position").count; v++) box.expandByPoint(this.posed(v, point));
    return this.drawnSide === "right" ? box : box.applyMatrix4(new Matrix4().makeScale(-1, 1, 1));
  }

  /** Where the bones have carried a vertex of the skin, as the graphics card computes it. */
  private posed(vertex: number, out: Vector3): Vector3 {
    const { position, skinIndex, skinWeight } = this.skin.geometry.attributes;
    const { matrices } = this.skeleton.rig;
    const rest = [position.getX(vertex), position.getY(vertex), position.getZ(vertex), 1];
    out.set(0, 0, 0);
    for (let i = 0; i < 4; i++) {
      const m = skinIndex.getComponent(vertex, i) * 16;
      const weight = skinWeight.getComponent(vertex, i);
      for (let column = 0; column < 4; column++) {
        out.x += weight * matrices[m + column * 4] * rest[column];
        out.y += weight * matrices[m + column * 4 + 1] * rest[column];
        out.z += weight * matrices[m + column * 4 + 2] * rest[column];
      }
    }
    return out;
  }

  private mesh(geometry: BufferGeometry, material: Material): SkinnedMesh {
    const mesh = new SkinnedMesh(geometry, material);
    mesh.bindMode = DetachedBindMode;
    mesh.bind(this.skeleton, new Matrix4());
    mesh.frustumCulled = false;
    this.object.add(mesh);
    return mesh;
  }
}

/** The 20 bones and 21 joints as solid shapes. */
class Bones {
  readonly object = new Group();
  private readonly shafts: InstancedMesh;
  private readonly joints: InstancedMesh;
  private readonly matrix = new Matrix4();
  private readonly from = new Vector3();
  private readonly along = new Vector3();
  private readonly side = new Vector3();
  private readonly up = new Vector3();

  constructor() {
    const material = boneMaterial();
    this.shafts = new InstancedMesh(shaft(), material, BONES.length);
    this.joints = new InstancedMesh(new SphereGeometry(1, 20, 14), material, POINTS);
    for (const mesh of [this.shafts, this.joints]) {
      mesh.instanceMatrix.setUsage(DynamicDrawUsage);
      mesh.frustumCulled = false;
      mesh.castShadow = true;
      this.object.add(mesh);
    }
  }

  pose(points: ArrayLike<number>): void {
    for (let i = 0; i < BONES.length; i++) this.bone(i, points);
    for (let i = 0; i < POINTS; i++) {
      const r = JOINT_RADII[i];
      this.matrix.makeScale(r, r, r).setPosition(points[i * 3], points[i * 3 + 1], points[i * 3 + 2]);
      this.joints.setMatrixAt(i, this.matrix);
    }
    this.shafts.instanceMatrix.needsUpdate = this.joints.instanceMatrix.needsUpdate = true;
  }

  private bone(i: number, points: ArrayLike<number>): void {
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
    this.shafts.setMatrixAt(i, this.matrix);
  }
}

const JOINT_RADII: readonly number[] = Array.from({ length: POINTS }, (_, i) =>
  i === 0 ? 7.5 : [3.4, 5.4, 4.7, 4][i % 4] * (i < 5 ? 1.12 : i > 16 ? 0.88 : 1),
);

/** A bone of length 1 along +Y: thick ends, a waist. */
function shaft(): LatheGeometry {
  const profile = [
    [0.02, 0], [0.75, 0.04], [0.78, 0.1], [0.55, 0.24], [0.44, 0.5], [0.5, 0.76], [0.7, 0.9], [0.68, 0.96], [0.02, 1],
  ].map(([r, y]) => new Vector2(r, y));
  return new LatheGeometry(profile, 18);
}
