/** Surface nets: meshes the zero level of a signed distance function.
 *
 * Our own, because the npm packages for it (isosurface, surface-nets) are no longer maintained, and marching cubes,
 * which three.js has, makes thin triangles that show under smooth shading. */

export type Field = (x: number, y: number, z: number) => number;

export interface Surface {
  positions: Float32Array;
  normals: Float32Array;
  indices: Uint32Array;
}

type Bounds = readonly [min: readonly [number, number, number], max: readonly [number, number, number]];

/** Cells per side of a block; blocks far from the surface are sampled once. */
const BLOCK = 4;

/**
 * Mesh the surface of `field` inside `bounds`.
 *
 * One vertex per cell that the surface crosses, moved onto the surface along the gradient
 * (Gibson, "Constrained elastic surface nets", 1998).
 *
 * @param field - a signed distance, negative inside; may deviate from the true distance by a factor below 2.
 * @param step - edge of a cell, in the unit of the bounds.
 */
export function surfaceNets(field: Field, bounds: Bounds, step: number): Surface {
  const grid = new Grid(field, bounds, step);
  const vertices: number[] = [];
  const cells = grid.vertices(vertices);
  const indices = grid.quads(cells);
  const positions = new Float32Array(vertices);
  const normals = projectVertices(field, positions, step);
  return { positions, normals, indices: new Uint32Array(indices) };
}

class Grid {
  readonly nx: number;
  readonly ny: number;
  readonly nz: number;
  private readonly values: Float32Array;

  constructor(
    field: Field,
    private readonly bounds: Bounds,
    private readonly step: number,
  ) {
    const size = (i: 0 | 1 | 2): number => Math.ceil((bounds[1][i] - bounds[0][i]) / step / BLOCK) * BLOCK + 1;
    this.nx = size(0);
    this.ny = size(1);
    this.nz = size(2);
    this.values = new Float32Array(this.nx * this.ny * this.nz);
    this.sample(field);
  }

  private at(i: number, j: number, k: number): number {
    return i + this.nx * (j + this.ny * k);
  }

  // A block that the surface cannot cross is filled with the value at its centre.
  private sample(field: Field): void {
    const [x0, y0, z0] = this.bounds[0];
    const h = this.step;
    const reach = BLOCK * h * Math.sqrt(3);
    const half = (BLOCK * h) / 2;
    for (let k = 0; k < this.nz; k += BLOCK)
      for (let j = 0; j < this.ny; j += BLOCK)
        for (let i = 0; i < this.nx; i += BLOCK) {
          const middle = field(x0 + i * h + half, y0 + j * h + half, z0 + k * h + half);
          const exact = Math.abs(middle) < reach;
          for (let c = k; c < Math.min(k + BLOCK, this.nz); c++)
            for (let b = j; b < Math.min(j + BLOCK, this.ny); b++)
              for (let a = i; a < Math.min(i + BLOCK, this.nx); a++)
                this.values[this.at(a, b, c)] = exact ? field(x0 + a * h, y0 + b * h, z0 + c * h) : middle;
        }
  }

  /** Append one vertex per crossed cell to `out`; returns the vertex index of each cell, -1 for none. */
  vertices(out: number[]): Int32Array {
    const cells = new Int32Array(this.values.length).fill(-1);
    for (let k = 0; k < this.nz - 1; k++)
      for (let j = 0; j < this.ny - 1; j++)
        for (let i = 0; i < this.nx - 1; i++)
          if (this.vertex(i, j, k, out)) cells[this.at(i, j, k)] = out.length / 3 - 1;
    return cells;
  }

  private vertex(i: number, j: number, k: number, out: number[]): boolean {
    let count = 0;
    let x = 0;
    let y = 0;
    let z = 0;
    for (const [a, b] of EDGES) {
      const va = this.values[this.at(i + (a & 1), j + ((a >> 1) & 1), k + (a >> 2))];
      const vb = this.values[this.at(i + (b & 1), j + ((b >> 1) & 1), k + (b >> 2))];
      if (va < 0 === vb < 0) continue;
      const t = va / (va - vb);
      x += (a & 1) + t * ((b & 1) - (a & 1));
      y += ((a >> 1) & 1) + t * (((b >> 1) & 1) - ((a >> 1) & 1));
      z += (a >> 2) + t * ((b >> 2) - (a >> 2));
      count++;
    }
    if (count === 0) return false;
    const [x0, y0, z0] = this.bounds[0];
    out.push(x0 + (i + x / count) * this.step, y0 + (j + y / count) * this.step, z0 + (k + z / count) * this.step);
    return true;
  }

  /** Indices of two triangles for each grid edge that the surface crosses. */
  quads(cells: Int32Array): number[] {
    const out: number[] = [];
    const { nx, ny } = this;
    const strides = [1, nx, nx * ny];
    for (let k = 1; k < this.nz - 1; k++)
      for (let j = 1; j < this.ny - 1; j++)
        for (let i = 1; i < this.nx - 1; i++) {
          const here = this.at(i, j, k);
          for (let axis = 0; axis < 3; axis++) {
            const inside = this.values[here] < 0;
            if (inside === this.values[here + strides[axis]] < 0) continue;
            const u = strides[(axis + 1) % 3];
            const v = strides[(axis + 2) % 3];
            const [a, b, c, d] = [cells[here - u - v], cells[here - v], cells[here], cells[here - u]];
            if (inside) out.push(a, b, c, a, c, d);
            else out.push(a, c, b, a, d, c);
          }
        }
    return out;
  }
}

// Pairs of cell corners; the bits of a corner's number are its offset: 1 = x, 2 = y, 4 = z.
const EDGES: readonly (readonly [number, number])[] = [
  [0, 1], [2, 3], [4, 5], [6, 7],
  [0, 2], [1, 3], [4, 6], [5, 7],
  [0, 4], [1, 5], [2, 6], [3, 7],
];

/** Move every vertex onto the surface, in place; returns the outward normals. */
function projectVertices(field: Field, positions: Float32Array, step: number): Float32Array {
  const normals = new Float32Array(positions.length);
  const e = step * 0.25;
  for (let v = 0; v < positions.length; v += 3) {
    for (let round = 0; round < 3; round++) {
      const [x, y, z] = [positions[v], positions[v + 1], positions[v + 2]];
      const gx = field(x + e, y, z) - field(x - e, y, z);
      const gy = field(x, y + e, z) - field(x, y - e, z);
      const gz = field(x, y, z + e) - field(x, y, z - e);
      const slope = Math.hypot(gx, gy, gz) || 1;
      normals[v] = gx / slope;
      normals[v + 1] = gy / slope;
      normals[v + 2] = gz / slope;
      if (round === 2) break;
      const move = Math.max(Math.min((field(x, y, z) * 2 * e) / slope, step), -step);
      positions[v] -= normals[v] * move;
      positions[v + 1] -= normals[v + 1] * move;
      positions[v + 2] -= normals[v + 2] * move;
    }
  }
  return normals;
}
