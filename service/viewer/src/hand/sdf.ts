/** Signed distance functions of the hand at rest: mm, negative inside. */

import { FOREARM, SKIN_RADII, REST_POSE } from "./restPose";

/** A cone with spherical ends of two radii. After Inigo Quilez, "round cone", iquilezles.org/articles/distfunctions. */
class RoundCone {
  private readonly bx: number;
  private readonly by: number;
  private readonly bz: number;
  private readonly l2: number;
  private readonly rr: number;
  private readonly a2: number;
  private readonly il2: number;

  constructor(
    private readonly ax: number,
    private readonly ay: number,
    private readonly az: number,
    bx: number,
    by: number,
    bz: number,
    private readonly r1: number,
    private readonly r2: number,
  ) {
    this.bx = bx - ax;
    this.by = by - ay;
    this.bz = bz - az;
    this.l2 = this.bx ** 2 + this.by ** 2 + this.bz ** 2;
    this.rr = r1 - r2;
    this.a2 = this.l2 - this.rr * this.rr;
    this.il2 = 1 / this.l2;
  }

  distance(x: number, y: number, z: number): number {
    const px = x - this.ax;
    const py = y - this.ay;
    const pz = z - this.az;
    const along = px * this.bx + py * this.by + pz * this.bz;
    const beyond = along - this.l2;
    const qx = px * this.l2 - this.bx * along;
    const qy = py * this.l2 - this.by * along;
    const qz = pz * this.l2 - this.bz * along;
    const x2 = qx * qx + qy * qy + qz * qz;
    const y2 = along * along * this.l2;
    const z2 = beyond * beyond * this.l2;
    const k = Math.sign(this.rr) * this.rr * this.rr * x2;
    if (Math.sign(beyond) * this.a2 * z2 > k) return Math.sqrt(x2 + z2) * this.il2 - this.r2;
    if (Math.sign(along) * this.a2 * y2 < k) return Math.sqrt(x2 + y2) * this.il2 - this.r1;
    return (Math.sqrt(x2 * this.a2 * this.il2) + along * this.rr) * this.il2 - this.r1;
  }
}

/** Union of two shapes whose seam is rounded over `k` mm. */
function smoothUnion(a: number, b: number, k: number): number {
  const h = Math.max(k - Math.abs(a - b), 0) / k;
  return Math.min(a, b) - h * h * k * 0.25;
}

/** Shape `a` without shape `b`, the edge rounded over `k` mm. */
function smoothDifference(a: number, b: number, k: number): number {
  return -smoothUnion(-a, b, k);
}

function cone(from: number, to: number, r1: number, r2: number, dy1 = 0, dy2 = 0): RoundCone {
  const p = REST_POSE;
  return new RoundCone(
    p[from * 3], p[from * 3 + 1] + dy1, p[from * 3 + 2],
    p[to * 3], p[to * 3 + 1] + dy2, p[to * 3 + 2],
    r1, r2,
  );
}

/** A finger from its first movable joint to the tip. Its surface ends slightly beyond the tip point. */
class Finger {
  private readonly cones: RoundCone[];
  private readonly pad: RoundCone;

  constructor(first: number, thumb: boolean) {
    const [a, b, c, d] = [first, first + 1, first + 2, first + 3];
    this.cones = [
      cone(a, b, SKIN_RADII[a] * (thumb ? 1 : 0.86), SKIN_RADII[b] * (thumb ? 0.96 : 1), thumb ? 0 : -1.5, 0),
      cone(b, c, SKIN_RADII[b] * 0.98, SKIN_RADII[c]),
      cone(c, d, SKIN_RADII[c] * 0.97, SKIN_RADII[d], 0, 0.6),
    ];
    const p = REST_POSE;
    const at = (t: number, i: number): number => p[c * 3 + i] * (1 - t) + p[d * 3 + i] * t;
    const r = SKIN_RADII[d] * 0.94;
    this.pad = new RoundCone(
      at(0.4, 0), at(0.4, 1) - 1.8, at(0.4, 2),
      at(0.92, 0), at(0.92, 1) - 1.2, at(0.92, 2),
      r, r * 0.9,
    );
  }

  distance(x: number, y: number, z: number): number {
    let d = this.cones[0].distance(x, y, z);
    d = smoothUnion(d, this.cones[1].distance(x, y, z), 3);
    d = smoothUnion(d, this.cones[2].distance(x, y, z), 3);
    return smoothUnion(d, this.pad.distance(x, y, z), 3);
  }
}

const FINGERS: readonly Finger[] = [1, 5, 9, 13, 17].map((first) => new Finger(first, first === 1));

const METACARPALS: readonly RoundCone[] = [
  new RoundCone(-12, -4, -11, REST_POSE[15], REST_POSE[16] - 2, REST_POSE[17], 12.5, 12.6),
  new RoundCone(-4, -3.5, -10, REST_POSE[27], REST_POSE[28] - 2, REST_POSE[29], 13, 12.8),
  new RoundCone(5, -3.5, -10, REST_POSE[39], REST_POSE[40] - 2, REST_POSE[41], 13, 12.3),
  new RoundCone(13, -4, -11, REST_POSE[51], REST_POSE[52] - 1, REST_POSE[53], 12.5, 11.2),
];
const THENAR = new RoundCone(-15, -10, -20, -34, -17, -50, 15, 12.5);
const HYPOTHENAR = new RoundCone(18, -9, -18, 33, -9, -56, 13, 11);
const PADS = new RoundCone(-22, -10, -82, 34, -9, -70, 7.5, 7);
const HOLLOW = new RoundCone(3, -30, -38, 6, -29, -62, 12, 11);

/** Signed distance to one finger (0 = thumb). */
export function fingerDistance(index: number, x: number, y: number, z: number): number {
  return FINGERS[index].distance(x, y, z);
}

/** Signed distance to the palm. */
export function palmDistance(x: number, y: number, z: number): number {
  let d = METACARPALS[0].distance(x, y, z);
  for (let i = 1; i < 4; i++) d = smoothUnion(d, METACARPALS[i].distance(x, y, z), 9);
  d = smoothUnion(d, THENAR.distance(x, y, z), 12);
  d = smoothUnion(d, HYPOTHENAR.distance(x, y, z), 12);
  d = smoothUnion(d, PADS.distance(x, y, z), 8);
  return smoothDifference(d, HOLLOW.distance(x, y, z), 14);
}

/** Signed distance (to first order) to the visible part of the forearm. */
export function forearmDistance(x: number, y: number, z: number): number {
  const t = Math.min(Math.max((z - FOREARM.from) / (FOREARM.to - FOREARM.from), 0), 1);
  const s = t * t * (3 - 2 * t) * 0.6 + t * 0.4;
  const w = FOREARM.width[0] + (FOREARM.width[1] - FOREARM.width[0]) * s;
  const h = FOREARM.thickness[0] + (FOREARM.thickness[1] - FOREARM.thickness[0]) * s;
  const u = x / w;
  const v = (y + FOREARM.drop) / h;
  const outside = Math.max(FOREARM.from - 10 - z, 0, z - FOREARM.to);
  const radial = (Math.sqrt(u * u + v * v) - 1) * h;
  return outside === 0 ? radial : Math.sign(outside) * Math.hypot(Math.max(radial + 6, 0), outside) - 6;
}

/** Signed distance to the whole hand. */
export function handDistance(x: number, y: number, z: number): number {
  let d = smoothUnion(palmDistance(x, y, z), forearmDistance(x, y, z), 20);
  d = smoothUnion(d, fingerDistance(0, x, y, z), 10);
  for (let i = 1; i < 5; i++) d = smoothUnion(d, fingerDistance(i, x, y, z), 5.5);
  return d;
}
