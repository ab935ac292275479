/** Skin weights: which bones move each vertex of the skin. */

import { BufferAttribute, type BufferGeometry } from "three";

import { BONES_PER_FINGER } from "./boneFrames";
import { boneDirection, REST_POSE, SKIN_RADII } from "./restPose";
import { fingerDistance, forearmDistance, palmDistance } from "./sdf";

/** Bones per vertex that the vertex shader supports. */
const MAX_INFLUENCES = 4;
/** A part of the hand has no influence on vertices that are this much nearer to another part, mm. */
const BLEND_DISTANCE = 6;

/** Adds the weights of the bones at a position to `out`, a map from bone to weight. */
type WeightFunction = (x: number, y: number, z: number, out: Map<number, number>) => void;

/** Set the skinning attributes of a geometry: for each vertex the bones of the largest weights, normalised to sum 1. */
export function setSkinWeights(geometry: BufferGeometry, addWeights: WeightFunction = addSkinWeights): void {
  const position = geometry.getAttribute("position");
  const bones = new Uint16Array(position.count * MAX_INFLUENCES);
  const weights = new Float32Array(position.count * MAX_INFLUENCES);
  const found = new Map<number, number>();
  for (let v = 0; v < position.count; v++) {
    found.clear();
    addWeights(position.getX(v), position.getY(v), position.getZ(v), found);
    const top = [...found].sort((a, b) => b[1] - a[1]).slice(0, MAX_INFLUENCES);
    const total = top.reduce((sum, [, w]) => sum + w, 0);
    top.forEach(([bone, w], i) => {
      bones[v * MAX_INFLUENCES + i] = bone;
      weights[v * MAX_INFLUENCES + i] = w / total;
    });
  }
  geometry.setAttribute("skinIndex", new BufferAttribute(bones, MAX_INFLUENCES));
  geometry.setAttribute("skinWeight", new BufferAttribute(weights, MAX_INFLUENCES));
}

/** Weights at a position of the rest pose. */
function addSkinWeights(x: number, y: number, z: number, out: Map<number, number>): void {
  const distances = [0, 1, 2, 3, 4].map((i) => fingerDistance(i, x, y, z));
  distances.push(palmDistance(x, y, z), forearmDistance(x, y, z));
  const nearest = Math.min(...distances);
  distances.forEach((d, part) => {
    const w = Math.max(0, 1 - (d - nearest) / BLEND_DISTANCE) ** 2;
    if (w === 0) return;
    if (part < 5) addFingerWeights(part, x, y, z, w, out);
    else if (part === 5) addPalmWeights(x, y, z, w, out);
    else addWeight(out, 0, w);
  });
}

function addWeight(out: Map<number, number>, bone: number, weight: number): void {
  if (weight > 1e-3) out.set(bone, (out.get(bone) ?? 0) + weight);
}

/** Along a finger, the weight passes from bone to bone at each joint, through the half-way bone. */
function addFingerWeights(index: number, x: number, y: number, z: number, w: number, out: Map<number, number>): void {
  const first = 1 + 4 * index;
  let progress = 0;
  for (let joint = 0; joint < 3; joint++) progress += jointProgress(first + joint, x, y, z);
  const step = progress * 2;
  const low = Math.min(Math.floor(step), BONES_PER_FINGER - 2);
  const bone = 1 + BONES_PER_FINGER * index + low;
  addWeight(out, bone, w * (1 - (step - low)));
  addWeight(out, bone + 1, w * (step - low));
}

/** Smooth step across a joint: 0 before it, 1 beyond the plane that bisects the bend. */
function jointProgress(joint: number, x: number, y: number, z: number): number {
  const p = REST_POSE;
  const before = joint % 4 === 1 ? 0 : joint - 1;
  const n = [0, 1, 2].map((i) => boneDirection(joint, before, i) + boneDirection(joint + 1, joint, i));
  const length = Math.hypot(n[0], n[1], n[2]);
  const s =
    ((x - p[joint * 3]) * n[0] + (y - p[joint * 3 + 1]) * n[1] + (z - p[joint * 3 + 2]) * n[2]) / length;
  const width = SKIN_RADII[joint] * 0.95;
  const t = Math.min(Math.max(s / (2 * width) + 0.5, 0), 1);
  return t * t * (3 - 2 * t);
}

/** In the palm, each metacarpal's weight falls with the distance from it. */
function addPalmWeights(x: number, y: number, z: number, w: number, out: Map<number, number>): void {
  const shares = [1, 2, 3, 4].map((i) => 1 / (0.5 + segmentDistance2(1 + 4 * i, x, y, z)) ** 1.5);
  const total = shares.reduce((a, b) => a + b);
  shares.forEach((share, i) => addWeight(out, 1 + BONES_PER_FINGER * (i + 1), (w * share) / total));
}

/** Squared distance from the segment between the wrist and point `to`, in units of 10 mm. */
function segmentDistance2(to: number, x: number, y: number, z: number): number {
  const [bx, by, bz] = [REST_POSE[to * 3], REST_POSE[to * 3 + 1], REST_POSE[to * 3 + 2]];
  const t = Math.min(Math.max((x * bx + y * by + z * bz) / (bx * bx + by * by + bz * bz), 0), 1);
  return ((x - bx * t) ** 2 + (y - by * t) ** 2 + (z - bz * t) ** 2) / 100;
}
