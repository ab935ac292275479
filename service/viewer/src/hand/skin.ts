/** The skin of the hand at rest: mesh, colours and skin weights. */

import { BufferAttribute, BufferGeometry } from "three";

import { makeNails } from "./nails";
import { FOREARM } from "./restPose";
import { handDistance } from "./sdf";
import { skinColors } from "./skinColors";
import { setSkinWeights } from "./skinWeights";
import { surfaceNets } from "./surfaceNets";

/** Edge of a cell of the mesh, mm. */
const CELL_SIZE = 3;
/** The box that contains the skin, mm. */
const BOUNDS = [
  [-92, -58, -214],
  [86, 34, FOREARM.to + 14],
] as const;

export interface Skin {
  skin: BufferGeometry;
  nails: BufferGeometry;
}

/** Model the skin and the nails. Takes some tens of milliseconds. */
export function makeSkin(): Skin {
  const surface = surfaceNets(handDistance, BOUNDS, CELL_SIZE);
  const skin = new BufferGeometry();
  skin.setAttribute("position", new BufferAttribute(surface.positions, 3));
  skin.setAttribute("normal", new BufferAttribute(surface.normals, 3));
  skin.setIndex(new BufferAttribute(surface.indices, 1));
  skin.setAttribute("color", new BufferAttribute(skinColors(surface.positions, surface.normals), 3));
  setSkinWeights(skin);
  return { skin, nails: makeNails() };
}
