/** The skin of the hand at rest: mesh, colours, and which bones carry each vertex. Made once. */

import { BufferAttribute, BufferGeometry, Color } from "three";

import { surfaceNets } from "./nets";
import { FOREARM, RADII, REST } from "./rest";
import { PER_FINGER } from "./rig";
import { finger, forearm, hand, palm } from "./sdf";

const STEP = 3;
const BOUNDS = [
  [-92, -58, -214],
  [86, 34, FOREARM.to + 14],
] as const;
const INFLUENCES = 4;
/** Parts whose surfaces are this much apart do not pull each other's skin. */
const REACH = 6;

export interface Skin {
  skin: BufferGeometry;
  nails: BufferGeometry;
}

/** Model the skin. Takes some tens of milliseconds. */
export function makeSkin(): Skin {
  const surface = surfaceNets(hand, BOUNDS, STEP);
  const skin = new BufferGeometry();
  skin.setAttribute("position", new BufferAttribute(surface.positions, 3));
  skin.setAttribute("normal", new BufferAttribute(surface.normals, 3));
  skin.setIndex(new BufferAttribute(surface.indices, 1));
  skin.setAttribute("color", new BufferAttribute(paint(surface.positions, surface.normals), 3));
  carry(skin, (x, y, z, out) => weigh(x, y, z, out));
  return { skin, nails: makeNails() };
}

type Weigh = (x: number, y: number, z: number, out: Map<number, number>) => void;

/** Attach every vertex to the (at most four) bones that weigh most on it. */
function carry(geometry: BufferGeometry, weigh: Weigh): void {
  const position = geometry.getAttribute("position");
  const bones = new Uint16Array(position.count * INFLUENCES);
  const weights = new Float32Array(position.count * INFLUENCES);
  const found = new Map<number, number>();
  for (let v = 0; v < position.count; v++) {
    found.clear();
    weigh(position.getX(v), position.getY(v), position.getZ(v), found);
    const top = [...found].sort((a, b) => b[1] - a[1]).slice(0, INFLUENCES);
    const total = top.reduce((sum, [, w]) => sum + w, 0);
    top.forEach(([bone, w], i) => {
      bones[v * INFLUENCES + i] = bone;
      weights[v * INFLUENCES + i] = w / total;
    });
  }
  geometry.setAttribute("skinIndex", new BufferAttribute(bones, INFLUENCES));
  geometry.setAttribute("skinWeight", new BufferAttribute(weights, INFLUENCES));
}

function weigh(x: number, y: number, z: number, out: Map<number, number>): void {
  const distances = [0, 1, 2, 3, 4].map((i) => finger(i, x, y, z));
  distances.push(palm(x, y, z), forearm(x, y, z));
  const nearest = Math.min(...distances);
  distances.forEach((d, part) => {
    const w = Math.max(0, 1 - (d - nearest) / REACH) ** 2;
    if (w === 0) return;
    if (part < 5) weighFinger(part, x, y, z, w, out);
    else if (part === 5) weighPalm(x, y, z, w, out);
    else add(out, 0, w);
  });
}

function add(out: Map<number, number>, bone: number, weight: number): void {
  if (weight > 1e-3) out.set(bone, (out.get(bone) ?? 0) + weight);
}

/** Along a finger a vertex passes from bone to bone around each joint, by way of the half-way bone. */
function weighFinger(index: number, x: number, y: number, z: number, w: number, out: Map<number, number>): void {
  const first = 1 + 4 * index;
  let along = 0;
  for (let joint = 0; joint < 3; joint++) along += passed(first + joint, x, y, z);
  const step = along * 2;
  const low = Math.min(Math.floor(step), PER_FINGER - 2);
  const bone = 1 + PER_FINGER * index + low;
  add(out, bone, w * (1 - (step - low)));
  add(out, bone + 1, w * (step - low));
}

/** How far a place is past a joint: 0 well before, 1 well behind the plane that halves the bend. */
function passed(joint: number, x: number, y: number, z: number): number {
  const p = REST;
  const before = joint % 4 === 1 ? 0 : joint - 1;
  const n = [0, 1, 2].map((i) => unit(joint, before, i) + unit(joint + 1, joint, i));
  const length = Math.hypot(n[0], n[1], n[2]);
  const s =
    ((x - p[joint * 3]) * n[0] + (y - p[joint * 3 + 1]) * n[1] + (z - p[joint * 3 + 2]) * n[2]) / length;
  const width = RADII[joint] * 0.95;
  const t = Math.min(Math.max(s / (2 * width) + 0.5, 0), 1);
  return t * t * (3 - 2 * t);
}

function unit(to: number, from: number, axis: number): number {
  const d = [0, 1, 2].map((i) => REST[to * 3 + i] - REST[from * 3 + i]);
  return d[axis] / Math.hypot(d[0], d[1], d[2]);
}

/** Across the palm the metacarpals share a vertex by how near they are. */
function weighPalm(x: number, y: number, z: number, w: number, out: Map<number, number>): void {
  const shares = [1, 2, 3, 4].map((i) => 1 / (0.5 + segmentDistance2(1 + 4 * i, x, y, z)) ** 1.5);
  const total = shares.reduce((a, b) => a + b);
  shares.forEach((share, i) => add(out, 1 + PER_FINGER * (i + 1), (w * share) / total));
}

function segmentDistance2(to: number, x: number, y: number, z: number): number {
  const [bx, by, bz] = [REST[to * 3], REST[to * 3 + 1], REST[to * 3 + 2]];
  const t = Math.min(Math.max((x * bx + y * by + z * bz) / (bx * bx + by * by + bz * bz), 0), 1);
  return ((x - bx * t) ** 2 + (y - by * t) ** 2 + (z - bz * t) ** 2) / 100;
}

const BASE = new Color(0xdfab8f);
const BLUSH = new Color(0xcf8470);
const PALE = new Color(0xecc6ae);

/** Warmer at fingertips, knuckles and pads; darker where the hand shades itself. */
function paint(positions: Float32Array, normals: Float32Array): Float32Array {
  const out = new Float32Array(positions.length);
  const color = new Color();
  for (let v = 0; v < positions.length; v += 3) {
    const [x, y, z] = [positions[v], positions[v + 1], positions[v + 2]];
    const ny = normals[v + 1];
    const blush = Math.min(1, warmth(x, y, z) * 0.62 + Math.max(0, -ny) * 0.1);
    color.copy(BASE).lerp(PALE, Math.max(0, -ny) * 0.35).lerp(BLUSH, blush);
    const shade = openness(positions, normals, v);
    // What little light reaches a fold has gone through skin: red fades last.
    out[v] = color.r * shade ** 0.75;
    out[v + 1] = color.g * shade;
    out[v + 2] = color.b * shade ** 1.05;
  }
  return out;
}

const TIPS = [4, 8, 12, 16, 20];
const KNUCKLES = [2, 3, 5, 6, 7, 9, 10, 11, 13, 14, 15, 17, 18, 19];

function warmth(x: number, y: number, z: number): number {
  let sum = 0;
  for (const tip of TIPS) sum += bump(tip, x, y, z, 15);
  for (const knuckle of KNUCKLES) sum += 0.5 * bump(knuckle, x, y - 5, z, 11);
  sum += 0.35 * Math.exp(-(((x + 30) / 22) ** 2 + ((y + 28) / 18) ** 2 + ((z + 38) / 30) ** 2));
  sum += 0.35 * Math.exp(-(((x - 32) / 16) ** 2 + ((y + 20) / 16) ** 2 + ((z + 40) / 34) ** 2));
  return Math.min(sum, 1);
}

function bump(point: number, x: number, y: number, z: number, size: number): number {
  const p = REST;
  const d2 = (x - p[point * 3]) ** 2 + (y - p[point * 3 + 1]) ** 2 + (z - p[point * 3 + 2]) ** 2;
  return Math.exp(-d2 / (size * size));
}

/** How open the place is to the light: 1 on a bulge, less in a fold. */
function openness(p: Float32Array, n: Float32Array, v: number): number {
  let closed = 0;
  for (const reach of [3, 7, 13]) {
    const d = hand(p[v] + n[v] * reach, p[v + 1] + n[v + 1] * reach, p[v + 2] + n[v + 2] * reach);
    closed += Math.max(0, 1 - d / reach) * 0.3;
  }
  return Math.max(0.35, 1 - closed);
}

const NAIL_ROWS = 9;
const NAIL_COLUMNS = 9;

/** Five nails, laid onto the skin. */
function makeNails(): BufferGeometry {
  const positions: number[] = [];
  const indices: number[] = [];
  for (let index = 0; index < 5; index++) layNail(index, positions, indices);
  const nails = new BufferGeometry();
  nails.setAttribute("position", new BufferAttribute(new Float32Array(positions), 3));
  nails.setIndex(indices);
  nails.computeVertexNormals();
  const perNail = NAIL_ROWS * NAIL_COLUMNS;
  let next = 0;
  carry(nails, (_x, _y, _z, out) => {
    out.set(PER_FINGER * (Math.floor(next / perNail) + 1), 1);
    next++;
  });
  return nails;
}

function layNail(index: number, positions: number[], indices: number[]): void {
  const tip = 4 + 4 * index;
  const p = REST;
  const d = [0, 1, 2].map((i) => unit(tip, tip - 1, i));
  const up = index === 0 ? thumbUp(d) : [0, 1, 0];
  const side = cross(d, up);
  const start = positions.length / 3;
  const r = RADII[tip];
  const length = r * (index === 0 ? 1.75 : 1.7);
  for (let row = 0; row < NAIL_ROWS; row++)
    for (let column = 0; column < NAIL_COLUMNS; column++) {
      const u = (column / (NAIL_COLUMNS - 1)) * 2 - 1;
      const t = row / (NAIL_ROWS - 1);
      const narrow = 0.97 - 0.3 * Math.max(0, 0.25 - t) ** 1.2 * 4 - 0.1 * t * t;
      const forward = -length * 0.72 + length * t + Math.abs(u) ** 2.6 * (t < 0.5 ? (0.5 - t) * 3 : -(t - 0.5) * 3.4);
      const at = [0, 1, 2].map((i) => p[tip * 3 + i] + d[i] * forward + side[i] * u * r * 0.8 * narrow);
      const edge = Math.max(Math.abs(u) ** 8, t < 0.01 ? 1 : 0);
      const top = drop(at, up);
      positions.push(...top.map((value, i) => value + up[i] * (0.34 - 0.6 * edge)));
      if (row > 0 && column > 0) {
        const here = start + row * NAIL_COLUMNS + column;
        const [a, b, c] = [here - NAIL_COLUMNS - 1, here - NAIL_COLUMNS, here - 1];
        indices.push(a, b, c, b, here, c);
      }
    }
}

/** The thumb's nail looks away from the palm, sideways. */
function thumbUp(d: number[]): number[] {
  const guide = [-0.62, 0.78, 0.1];
  const along = guide[0] * d[0] + guide[1] * d[1] + guide[2] * d[2];
  const v = guide.map((value, i) => value - along * d[i]);
  const length = Math.hypot(v[0], v[1], v[2]);
  return v.map((value) => value / length);
}

function cross(a: number[], b: number[]): number[] {
  const v = [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
  const length = Math.hypot(v[0], v[1], v[2]);
  return v.map((value) => value / length);
}

/** Let a place above the finger sink until it meets the skin. */
function drop(at: number[], up: number[]): number[] {
  let height = 16;
  for (let i = 0; i < 40; i++) {
    const d = hand(at[0] + up[0] * height, at[1] + up[1] * height, at[2] + up[2] * height);
    height -= Math.max(d, 0.01) * 0.9;
    if (d < 0.02 || height < -4) break;
  }
  return at.map((value, i) => value + up[i] * height);
}
