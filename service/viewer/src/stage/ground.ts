/** The floor: a fading grid and what the hand's shadow falls on. */

import { Color, Group, Mesh, PlaneGeometry, ShaderMaterial, ShadowMaterial } from "three";

/** Half sides: what can be seen of the grid, and where a shadow can fall. */
const GRID = 800;
const SHADE = 330;

/** A floor at y = 0. */
export class Ground {
  readonly object = new Group();
  private readonly grid: ShaderMaterial;
  private readonly shade: ShadowMaterial;
  private readonly lines: Mesh;
  private readonly shaded: Mesh;

  constructor() {
    const plane = new PlaneGeometry(2, 2).rotateX(-Math.PI / 2);
    this.grid = new ShaderMaterial({
      transparent: true,
      depthWrite: false,
      uniforms: { line: { value: new Color() }, strength: { value: 1 }, shadow: { value: 0.3 }, spread: { value: 0 } },
      vertexShader: VERTEX,
      fragmentShader: FRAGMENT,
    });
    this.shade = new ShadowMaterial({ opacity: 0.3, depthWrite: false });
    this.lines = new Mesh(plane, this.grid);
    this.shaded = new Mesh(plane, this.shade);
    this.shaded.receiveShadow = true;
    this.shaded.position.y = 0.1;
    this.lines.renderOrder = -2;
    this.shaded.renderOrder = -1;
    this.spread = 0;
    this.object.add(this.lines, this.shaded);
  }

  /** `spread` = how far from the middle the outermost hand stands, mm. */
  set spread(value: number) {
    this.grid.uniforms.spread.value = value;
    this.lines.scale.set(GRID + value, 1, GRID + value);
    this.shaded.scale.set(SHADE + value, 1, SHADE);
  }

  /** Without the shadow that the lamp casts; the one below the forearm stays. */
  plain(): void {
    this.shaded.visible = false;
  }

  theme(line: Color, strength: number, shadow: number): void {
    this.grid.uniforms.line.value.copy(line);
    this.grid.uniforms.strength.value = strength;
    this.grid.uniforms.shadow.value = shadow;
    this.shade.opacity = shadow * 0.8;
  }
}

const VERTEX = `
varying vec2 place;
void main() {
  place = (modelMatrix * vec4(position, 1.0)).xz;
  gl_Position = projectionMatrix * modelViewMatrix * vec4(position, 1.0);
}`;

// A soft blob below the forearm grounds the hand even where the lamp's shadow falls elsewhere.
const FRAGMENT = `
uniform vec3 line;
uniform float strength;
uniform float shadow;
uniform float spread;
varying vec2 place;
float lines(float cell) {
  vec2 at = place / cell;
  vec2 width = fwidth(at);
  vec2 distance = abs(fract(at - 0.5) - 0.5) / max(width, vec2(1e-5));
  float fade = 1.0 - smoothstep(0.2, 0.7, max(width.x, width.y));
  return (1.0 - min(min(distance.x, distance.y), 1.0)) * fade;
}
void main() {
  float radius = length(place);
  float near = 1.0 - smoothstep(120.0 + spread, 780.0 + spread, radius);
  float grid = max(lines(50.0) * 0.45, lines(250.0)) * near * strength;
  vec2 under = vec2(max(abs(place.x) - spread, 0.0), place.y);
  float blob = shadow * exp(-dot(under, under) / 3600.0);
  float alpha = grid * (1.0 - blob) + blob;
  gl_FragColor = vec4(mix(line, vec3(0.0), blob / max(alpha, 1e-4)), alpha);
}`;
