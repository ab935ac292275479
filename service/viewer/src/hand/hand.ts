/** A hand in the scene: skin, bones, or both, posed by 63 values. */

import {
  Bone, Box3, DetachedBindMode, Group, Matrix4, Skeleton, SkinnedMesh, Vector3,
  type BufferGeometry, type Material, type MeshLambertMaterial,
} from "three";
import { VALUES, type Side } from "@myocast/client";

import { BONE_COUNT } from "./boneFrames";
import { BoneMeshes } from "./boneMeshes";
import { nailMaterial, shellMaterial, skinMaterial } from "./materials";
import { REST_POSE } from "./restPose";
import { Rig } from "./rig";
import { makeSkin, type Skin } from "./skin";

export type RenderMode = "skin" | "both" | "bones";

const SKIN_COLOR = "#e2a98a";
/** Colour of the outline of a hand that nothing predicts. */
const NEUTRAL_COLOR = "#8b98a6";

/** Made for the first hand and shared by all. */
let sharedSkin: Skin | null = null;

/** A skeleton whose matrices the rig writes directly, instead of three.js from a tree of bone objects. */
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

/** Local axes are those of frame `hand`, mm. The meshes are those of a right hand; a left one mirrors the group. */
export class Hand {
  readonly object = new Group();
  /** The points as last drawn, 63 values, of the hand's own side. */
  readonly points = Float32Array.from(REST_POSE);

  private readonly rightPoints = Float32Array.from(REST_POSE);
  private readonly skeleton = new RigSkeleton();
  private readonly skin: SkinnedMesh;
  private readonly nails: SkinnedMesh;
  private readonly shell: SkinnedMesh;
  private readonly bones: BoneMeshes | null;
  private side: Side = "right";
  private renderMode: RenderMode;
  private neutral = false;

  /** `translucent` = only a see-through shell of this colour, as ground truth is shown. */
  constructor(kind: "solid" | "translucent", color = SKIN_COLOR) {
    sharedSkin ??= makeSkin();
    const solid = kind === "solid";
    this.skin = this.addMesh(sharedSkin.skin, skinMaterial());
    this.nails = this.addMesh(sharedSkin.nails, nailMaterial());
    this.shell = this.addMesh(sharedSkin.skin, shellMaterial(color, !solid));
    this.shell.renderOrder = 2;
    for (const mesh of [this.skin, this.nails]) mesh.castShadow = mesh.receiveShadow = true;
    this.bones = solid ? new BoneMeshes() : null;
    if (this.bones) this.object.add(this.bones.object);
    this.renderMode = solid ? "skin" : "both";
    this.applyVisibility();
  }

  /**
   * Show a pose.
   *
   * @param joints - 63 values, mm, points of a hand of this side.
   */
  setPose(joints: ArrayLike<number>, side: Side): void {
    this.side = side;
    const flip = side === "left" ? -1 : 1;
    for (let i = 0; i < VALUES; i++) {
      this.points[i] = joints[i];
      this.rightPoints[i] = i % 3 === 0 ? joints[i] * flip : joints[i];
    }
    this.object.scale.x = Math.abs(this.object.scale.x) * flip;
    this.skeleton.rig.setPose(this.rightPoints);
    this.bones?.setPose(this.rightPoints);
  }

  setRenderMode(mode: RenderMode): void {
    this.renderMode = mode;
    this.applyVisibility();
  }

  /** Whether to draw only a grey outline, as nothing predicts this pose. */
  setNeutral(neutral: boolean): void {
    if (neutral === this.neutral) return;
    this.neutral = neutral;
    this.setColor(neutral ? NEUTRAL_COLOR : SKIN_COLOR);
    this.applyVisibility();
  }

  get isNeutral(): boolean {
    return this.neutral;
  }

  private applyVisibility(): void {
    const mode = this.neutral ? "outline" : this.renderMode;
    this.skin.visible = this.nails.visible = mode === "skin";
    this.shell.visible = mode === "both" || mode === "outline";
    if (this.bones) this.bones.object.visible = mode === "both" || mode === "bones";
  }

  /** Mirror the shown pose to this side. */
  setSide(side: Side): void {
    if (side === this.side) return;
    for (let i = 0; i < VALUES; i += 3) this.points[i] *= -1;
    this.setPose(this.points, side);
  }

  /** Set the colour of the see-through shell. */
  setColor(color: string): void {
    (this.shell.material as MeshLambertMaterial).color.set(color);
  }

  /** Position of a point in the scene. Needs up-to-date world matrices. */
  worldPosition(point: number, out: Vector3): Vector3 {
    return out.fromArray(this.rightPoints, point * 3).applyMatrix4(this.object.matrixWorld);
  }

  /** Bounding box of the posed skin in frame `hand`. */
  bounds(): Box3 {
    const box = new Box3();
    const point = new Vector3();
    const vertices = this.skin.geometry.getAttribute("position").count;
    for (let v = 0; v < vertices; v++) box.expandByPoint(this.posedVertex(v, point));
    return this.side === "right" ? box : box.applyMatrix4(new Matrix4().makeScale(-1, 1, 1));
  }

  /** Position of a skin vertex after skinning, computed as the vertex shader does. */
  private posedVertex(vertex: number, out: Vector3): Vector3 {
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

  private addMesh(geometry: BufferGeometry, material: Material): SkinnedMesh {
    const mesh = new SkinnedMesh(geometry, material);
    mesh.bindMode = DetachedBindMode;
    mesh.bind(this.skeleton, new Matrix4());
    mesh.frustumCulled = false;
    this.object.add(mesh);
    return mesh;
  }
}
