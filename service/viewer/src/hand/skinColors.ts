/** Vertex colours of the skin. */

import { Color } from "three";

import { REST_POSE } from "./restPose";
import { handDistance } from "./sdf";

const BASE_COLOR = new Color(0xdfab8f);
const BLUSH_COLOR = new Color(0xcf8470);
const PALE_COLOR = new Color(0xecc6ae);

/**
 * Colours for vertices of the skin: redder at fingertips, knuckles and pads, darker where the hand shades itself.
 *
 * @returns red, green and blue of each vertex, linear, as many values as `positions`.
 */
export function skinColors(positions: Float32Array, normals: Float32Array): Float32Array {
  const out = new Float32Array(positions.length);
  const color = new Color();
  for (let v = 0; v < positions.length; v += 3) {
    const [x, y, z] = [positions[v], positions[v + 1], positions[v + 2]];
    const ny = normals[v + 1];
    const blush = Math.min(1, redness(x, y, z) * 0.62 + Math.max(0, -ny) * 0.1);
    color.copy(BASE_COLOR).lerp(PALE_COLOR, Math.max(0, -ny) * 0.35).lerp(BLUSH_COLOR, blush);
    const shade = ambientOcclusion(positions, normals, v);
    // Light in a fold has passed through skin, which absorbs red least.
    out[v] = color.r * shade ** 0.75;
    out[v + 1] = color.g * shade;
    out[v + 2] = color.b * shade ** 1.05;
  }
  return out;
}

const TIPS = [4, 8, 12, 16, 20];
const KNUCKLES = [2, 3, 5, 6, 7, 9, 10, 11, 13, 14, 15, 17, 18, 19];

/** Redness at a position, 0..1. */
function redness(x: number, y: number, z: number): number {
  let sum = 0;
  for (const tip of TIPS) sum += gaussian(tip, x, y, z, 15);
  for (const knuckle of KNUCKLES) sum += 0.5 * gaussian(knuckle, x, y - 5, z, 11);
  sum += 0.35 * Math.exp(-(((x + 30) / 22) ** 2 + ((y + 28) / 18) ** 2 + ((z + 38) / 30) ** 2));
  sum += 0.35 * Math.exp(-(((x - 32) / 16) ** 2 + ((y + 20) / 16) ** 2 + ((z + 40) / 34) ** 2));
  return Math.min(sum, 1);
}

/** 1 at a point of the hand, falling with the distance (a Gaussian of width `size` mm). */
function gaussian(point: number, x: number, y: number, z: number, size: number): number {
  const p = REST_POSE;
  const d2 = (x - p[point * 3]) ** 2 + (y - p[point * 3 + 1]) ** 2 + (z - p[point * 3 + 2]) ** 2;
  return Math.exp(-d2 / (size * size));
}

/** Ambient occlusion: 1 where the skin is open, down to 0.35 in a fold. */
function ambientOcclusion(p: Float32Array, n: Float32Array, v: number): number {
  let closed = 0;
  for (const reach of [3, 7, 13]) {
    const d = handDistance(p[v] + n[v] * reach, p[v + 1] + n[v + 1] * reach, p[v + 2] + n[v + 2] * reach);
    closed += Math.max(0, 1 - d / reach) * 0.3;
  }
  return Math.max(0.35, 1 - closed);
}
