/** The floor: a grid that fades with distance, and the shadows of the hands. */

import { Color, Group, Mesh, PlaneGeometry, ShaderMaterial, ShadowMaterial } from "three";

/** Half the side of the grid and of the area that receives shadows, mm. */
const GRID_HALF_SIDE = 800;
const SHADOW_HALF_SIDE = 330;

/** A floor at y = 0. */
export class Floor {
  readonly object = new Group();
  private readonly gridMaterial: ShaderMaterial;
  private readonly shadowMaterial: ShadowMaterial;
  private readonly grid: Mesh;
  private readonly shadows: Mesh;

  constructor() {
    const plane = new PlaneGeometry(2, 2).rotateX(-Math.PI / 2);
    this.gridMaterial = new ShaderMaterial({
      transparent: true,
      depthWrite: false,
      uniforms: { lineColor: { value: new Color() }, lineOpacity: { value: 1 }, shadowOpacity: { value: 0.3 }, spread: { value: 0 } },
      vertexShader: VERTEX,
      fragmentShader: FRAGMENT,
    });
    this.shadowMaterial = new ShadowMaterial({ opacity: 0.3, depthWrite: false });
    this.grid = new Mesh(plane, this.gridMaterial);
    this.shadows = new Mesh(plane, this.shadowMaterial);
    this.shadows.receiveShadow = true;
    this.shadows.position.y = 0.1;
    this.grid.renderOrder = -2;
    this.shadows.renderOrder = -1;
    this.setSpread(0);
    this.object.add(this.grid, this.shadows);
  }

  /** Widen the floor; `spread` = distance of the outermost hand from the centre, mm. */
  setSpread(spread: number): void {
    this.gridMaterial.uniforms.spread.value = spread;
    this.grid.scale.set(GRID_HALF_SIDE + spread, 1, GRID_HALF_SIDE + spread);
    this.shadows.scale.set(SHADOW_HALF_SIDE + spread, 1, SHADOW_HALF_SIDE);
  }

  /** Hide the cast shadows; the soft shadow below the forearms, part of the grid's shader, stays. */
  disableShadows(): void {
    this.shadows.visible = false;
  }

  setTheme(lineColor: Color, lineOpacity: number, shadowOpacity: number): void {
    const { uniforms } = this.gridMaterial;
    uniforms.lineColor.value.copy(lineColor);
    uniforms.lineOpacity.value = lineOpacity;
    uniforms.shadowOpacity.value = shadowOpacity;
    this.shadowMaterial.opacity = shadowOpacity * 0.8;
  }
}

const VERTEX = `
varying vec2 worldPosition;
void main() {
  worldPosition = (modelMatrix * vec4(position, 1.0)).xz;
  gl_Position = projectionMatrix * modelViewMatrix * vec4(position, 1.0);
}`;

// A soft shadow below each forearm shows where the hand stands even where the key light's shadow falls elsewhere.
const FRAGMENT = `
uniform vec3 lineColor;
uniform float lineOpacity;
uniform float shadowOpacity;
uniform float spread;
varying vec2 worldPosition;
float lines(float cell) {
  vec2 at = worldPosition / cell;
  vec2 width = fwidth(at);
  vec2 distance = abs(fract(at - 0.5) - 0.5) / max(width, vec2(1e-5));
  float detail = 1.0 - smoothstep(0.2, 0.7, max(width.x, width.y));
  return (1.0 - min(min(distance.x, distance.y), 1.0)) * detail;
}
void main() {
  float radius = length(worldPosition);
  float fade = 1.0 - smoothstep(120.0 + spread, 780.0 + spread, radius);
  float grid = max(lines(50.0) * 0.45, lines(250.0)) * fade * lineOpacity;
  vec2 under = vec2(max(abs(worldPosition.x) - spread, 0.0), worldPosition.y);
  float softShadow = shadowOpacity * exp(-dot(under, under) / 3600.0);
  float alpha = grid * (1.0 - softShadow) + softShadow;
  gl_FragColor = vec4(mix(lineColor, vec3(0.0), softShadow / max(alpha, 1e-4)), alpha);
}`;
