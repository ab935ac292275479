/** Materials of skin, nails, bones and the translucent shell. */

import { MeshLambertMaterial, MeshPhongMaterial } from "three";

/** Skin with approximate subsurface scattering: light wraps around the surface and turns redder there. */
export function skinMaterial(): MeshPhongMaterial {
  const material = new MeshPhongMaterial({ vertexColors: true, specular: 0x2e2824, shininess: 16 });
  material.onBeforeCompile = (shader) => {
    shader.fragmentShader = shader.fragmentShader
      .replace("#include <lights_phong_pars_fragment>", `#include <lights_phong_pars_fragment>\n${WRAPPED_LIGHT}`)
      .replace("#include <opaque_fragment>", `${RIM_LIGHT}\n#include <opaque_fragment>`);
  };
  return material;
}

// Replaces the direct light of three.js by wrapped diffuse light, which reaches furthest in red.
const WRAPPED_LIGHT = `
#undef RE_Direct
void RE_Direct_Skin(const in IncidentLight directLight, const in vec3 geometryPosition, const in vec3 geometryNormal,
    const in vec3 geometryViewDir, const in vec3 geometryClearcoatNormal, const in BlinnPhongMaterial material,
    inout ReflectedLight reflectedLight) {
  float dotNL = dot(geometryNormal, directLight.direction);
  vec3 wrap = vec3(0.34, 0.2, 0.16);
  vec3 diffuse = clamp((vec3(dotNL) + wrap) / (1.0 + wrap), 0.0, 1.0);
  reflectedLight.directDiffuse += diffuse * diffuse * directLight.color * BRDF_Lambert(material.diffuseColor);
  reflectedLight.directSpecular += saturate(dotNL) * directLight.color * material.specularStrength *
      BRDF_BlinnPhong(directLight.direction, geometryViewDir, geometryNormal, material.specularColor,
          material.specularShininess);
}
#define RE_Direct RE_Direct_Skin
`;

const RIM_LIGHT = `
float rim = pow(1.0 - saturate(dot(normalize(normal), normalize(vViewPosition))), 3.0);
outgoingLight += diffuseColor.rgb * vec3(1.0, 0.86, 0.8) * rim * 0.22;
`;

export function nailMaterial(): MeshPhongMaterial {
  return new MeshPhongMaterial({ color: 0xe9b8a6, specular: 0x6a6460, shininess: 70 });
}

export function boneMaterial(): MeshPhongMaterial {
  return new MeshPhongMaterial({ color: 0xf4ecdc, specular: 0x222222, shininess: 24 });
}

/**
 * A see-through shell, brightest at its outline.
 *
 * @param fadeForearm - fade out at the wrist, so that an overlaid hand leaves the other hand's forearm visible.
 */
export function shellMaterial(color: string, fadeForearm: boolean): MeshLambertMaterial {
  const material = new MeshLambertMaterial({ color, transparent: true, depthWrite: false });
  material.onBeforeCompile = (shader) => {
    shader.vertexShader = shader.vertexShader
      .replace("#include <common>", "#include <common>\nvarying float restZ;")
      .replace("#include <begin_vertex>", "#include <begin_vertex>\nrestZ = position.z;");
    shader.fragmentShader = shader.fragmentShader
      .replace("#include <common>", "#include <common>\nvarying float restZ;")
      .replace("#include <opaque_fragment>", `${SHELL}${fadeForearm ? FOREARM_FADE : ""}\n#include <opaque_fragment>`);
  };
  return material;
}

const SHELL = `
float facing = saturate(dot(normalize(normal), normalize(vViewPosition)));
outgoingLight = diffuseColor.rgb * (0.5 + 0.5 * facing);
diffuseColor.a = opacity * (0.1 + 0.85 * pow(1.0 - facing, 2.0));
`;

const FOREARM_FADE = "diffuseColor.a *= 1.0 - smoothstep(-28.0, 0.0, restZ);";
