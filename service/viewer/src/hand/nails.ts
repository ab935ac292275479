/** The five fingernails, projected onto the skin. */

import { BufferAttribute, BufferGeometry } from "three";

import { BONES_PER_FINGER } from "./boneFrames";
import { boneDirection, REST_POSE, SKIN_RADII } from "./restPose";
import { handDistance } from "./sdf";
import { setSkinWeights } from "./skinWeights";

const NAIL_ROWS = 9;
const NAIL_COLUMNS = 9;

/** Model the nails; each moves with the last bone of its finger. */
export function makeNails(): BufferGeometry {
  const positions: number[] = [];
  const indices: number[] = [];
  for (let index = 0; index < 5; index++) addNail(index, positions, indices);
  const nails = new BufferGeometry();
  nails.setAttribute("position", new BufferAttribute(new Float32Array(positions), 3));
  nails.setIndex(indices);
  nails.computeVertexNormals();
  const perNail = NAIL_ROWS * NAIL_COLUMNS;
  let next = 0;
  setSkinWeights(nails, (_x, _y, _z, out) => {
    out.set(BONES_PER_FINGER * (Math.floor(next / perNail) + 1), 1);
    next++;
  });
  return nails;
}

/** Append one nail, a grid of NAIL_ROWS × NAIL_COLUMNS vertices. */
function addNail(index: number, positions: number[], indices: number[]): void {
  const tip = 4 + 4 * index;
  const p = REST_POSE;
  const d = [0, 1, 2].map((i) => boneDirection(tip, tip - 1, i));
  const up = index === 0 ? thumbUp(d) : [0, 1, 0];
  const side = cross(d, up);
  const start = positions.length / 3;
  const r = SKIN_RADII[tip];
  const length = r * (index === 0 ? 1.75 : 1.7);
  for (let row = 0; row < NAIL_ROWS; row++)
    for (let column = 0; column < NAIL_COLUMNS; column++) {
      const u = (column / (NAIL_COLUMNS - 1)) * 2 - 1;
      const t = row / (NAIL_ROWS - 1);
      const narrow = 0.97 - 0.3 * Math.max(0, 0.25 - t) ** 1.2 * 4 - 0.1 * t * t;
      const forward = -length * 0.72 + length * t + Math.abs(u) ** 2.6 * (t < 0.5 ? (0.5 - t) * 3 : -(t - 0.5) * 3.4);
      const at = [0, 1, 2].map((i) => p[tip * 3 + i] + d[i] * forward + side[i] * u * r * 0.8 * narrow);
      const edge = Math.max(Math.abs(u) ** 8, t < 0.01 ? 1 : 0);
      const top = projectOntoSkin(at, up);
      positions.push(...top.map((value, i) => value + up[i] * (0.34 - 0.6 * edge)));
      if (row > 0 && column > 0) {
        const here = start + row * NAIL_COLUMNS + column;
        const [a, b, c] = [here - NAIL_COLUMNS - 1, here - NAIL_COLUMNS, here - 1];
        indices.push(a, b, c, b, here, c);
      }
    }
}

/** Outward direction of the thumb's nail: the thumb is turned sideways against the fingers. */
function thumbUp(d: number[]): number[] {
  const guide = [-0.62, 0.78, 0.1];
  const along = guide[0] * d[0] + guide[1] * d[1] + guide[2] * d[2];
  const v = guide.map((value, i) => value - along * d[i]);
  const length = Math.hypot(v[0], v[1], v[2]);
  return v.map((value) => value / length);
}

/** Normalised cross product. */
function cross(a: number[], b: number[]): number[] {
  const v = [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
  const length = Math.hypot(v[0], v[1], v[2]);
  return v.map((value) => value / length);
}

/** Move a position along `up` onto the skin, by sphere tracing from above. */
function projectOntoSkin(at: number[], up: number[]): number[] {
  let height = 16;
  for (let i = 0; i < 40; i++) {
    const d = handDistance(at[0] + up[0] * height, at[1] + up[1] * height, at[2] + up[2] * height);
    height -= Math.max(d, 0.01) * 0.9;
    if (d < 0.02 || height < -4) break;
  }
  return at.map((value, i) => value + up[i] * height);
}
