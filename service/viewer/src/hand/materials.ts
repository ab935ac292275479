/** What skin, nails, bones and the ghost are made of. */

import { Color, MeshStandardMaterial, type Material } from "three";

/** Light wraps around skin and comes out redder, because it travels inside before it leaves. */
export function skinMaterial(): MeshStandardMaterial {
  const material = new MeshStandardMaterial({ vertexColors: true, roughness: 0.58, metalness: 0 });
  material.onBeforeCompile = (shader) => {
    shader.fragmentShader = shader.fragmentShader
      .replace("#include <lights_physical_pars_fragment>", `#include <lights_physical_pars_fragment>\n${WRAP}`)
      .replace("#include <opaque_fragment>", `${RIM}\n#include <opaque_fragment>`);
  };
  return material;
}

// Replaces three's direct light: the terminator is soft, and softest in red.
const WRAP = `
#undef RE_Direct
void RE_Direct_Skin(const in IncidentLight directLight, const in vec3 geometryPosition, const in vec3 geometryNormal,
    const in vec3 geometryViewDir, const in vec3 geometryClearcoatNormal, const in PhysicalMaterial material,
    inout ReflectedLight reflectedLight) {
  float dotNL = dot(geometryNormal, directLight.direction);
  vec3 wrap = vec3(0.34, 0.2, 0.16);
  vec3 diffuse = clamp((vec3(dotNL) + wrap) / (1.0 + wrap), 0.0, 1.0);
  vec3 specular = saturate(dotNL) * directLight.color;
  reflectedLight.directSpecular += specular * BRDF_GGX(directLight.direction, geometryViewDir, geometryNormal, material);
  reflectedLight.directDiffuse += diffuse * diffuse * directLight.color * BRDF_Lambert(material.diffuseColor);
}
#define RE_Direct RE_Direct_Skin
`;

const RIM = `
float rim = pow(1.0 - saturate(dot(normalize(normal), normalize(vViewPosition))), 3.0);
outgoingLight += diffuseColor.rgb * vec3(1.0, 0.86, 0.8) * rim * 0.22;
`;

export function nailMaterial(): MeshStandardMaterial {
  return new MeshStandardMaterial({ color: 0xf0bfae, roughness: 0.22, metalness: 0 });
}

export function boneMaterial(): MeshStandardMaterial {
  return new MeshStandardMaterial({ color: 0xf4ecdc, roughness: 0.5, metalness: 0 });
}

/** A see-through shell, bright at its outline; it ends at the wrist. */
export function ghostMaterial(color: Color): MeshStandardMaterial {
  const material = new MeshStandardMaterial({ color, roughness: 1, transparent: true, depthWrite: false });
  material.onBeforeCompile = (shader) => {
    shader.vertexShader = shader.vertexShader
      .replace("#include <common>", "#include <common>\nvarying float restZ;")
      .replace("#include <begin_vertex>", "#include <begin_vertex>\nrestZ = position.z;");
    shader.fragmentShader = shader.fragmentShader
      .replace("#include <common>", "#include <common>\nvarying float restZ;")
      .replace("#include <opaque_fragment>", GHOST);
  };
  return material;
}

const GHOST = `
float facing = saturate(dot(normalize(normal), normalize(vViewPosition)));
outgoingLight = diffuseColor.rgb * (0.5 + 0.5 * facing);
diffuseColor.a = opacity * (0.1 + 0.85 * pow(1.0 - facing, 2.0)) * (1.0 - smoothstep(-28.0, 0.0, restZ));
#include <opaque_fragment>
`;

/** Only fills the depth buffer, so that a see-through hand hides its own far side. */
export function depthOnly(material: Material): Material {
  material.colorWrite = false;
  return material;
}
