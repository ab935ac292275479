/** Drawings of the reference poses, made from the angles that the correction expects. */

import type { Side } from "@myocast/client";

import { REFERENCE_ANGLES, type ReferencePose } from "./correction";
import { AVERAGE_HAND_MM, averageBones, DIGITS, handPoints, PER_DIGIT } from "./kinematics";

const SVG = "http://www.w3.org/2000/svg";
/** How far the palm is turned away from the camera, the little finger nearer than the thumb, degrees. */
const TURN_DEG = 25;
const MARGIN_MM = 16;
const FOREARM_MM = 45;
const FOREARM_WIDTH_MM = 46;
const DIGIT_WIDTHS_MM = [20, 18, 18, 17, 15];
/** Width of the line that sets one part off from another. */
const EDGE_MM = 3;

/** Draw a hand in a reference pose, upright and mirrored as the page shows the camera's picture. */
export function drawReference(pose: ReferencePose, side: Side): SVGSVGElement {
  const drawing = document.createElementNS(SVG, "svg");
  drawing.setAttribute("viewBox", `-110 ${-AVERAGE_HAND_MM - MARGIN_MM} 220 ${AVERAGE_HAND_MM + MARGIN_MM + FOREARM_MM}`);
  drawing.setAttribute("role", "img");
  drawing.setAttribute("aria-label", pose === "flat" ? "A flat hand" : "A fist");
  if (side === "left") drawing.setAttribute("transform", "scale(-1 1)");
  for (const line of strokes(handPoints(REFERENCE_ANGLES[pose], averageBones(AVERAGE_HAND_MM)))) drawing.append(line);
  return drawing;
}

/** Forearm, palm and the five digits, the furthest from the camera first. */
function strokes(points: Float32Array): SVGElement[] {
  const seen = Array.from({ length: points.length / 3 }, (_, i) => project(points, i));
  const forearm = [[0, 0], [0, FOREARM_MM]];
  const palm = [0, 1, 5, 9, 13, 17].map((i) => seen[i]);
  const digits = Array.from({ length: DIGITS }, (_, digit) => {
    const at = Array.from({ length: PER_DIGIT }, (_, k) => seen[1 + digit * PER_DIGIT + k]);
    return { at, width: DIGIT_WIDTHS_MM[digit], near: Math.max(...at.map((point) => point[2])) };
  });
  return [
    line(forearm, FOREARM_WIDTH_MM, "var(--soft)"),
    line(palm, 14, "var(--soft)", "var(--soft)"),
    ...digits.sort((a, b) => a.near - b.near).flatMap(({ at, width }) => [
      line(at, width + 2 * EDGE_MM, "var(--bg)"),
      line(at, width, "var(--soft)"),
    ]),
  ];
}

/** To the right, down, and towards the camera, mm: the palm (-y of the hand) faces the camera but for the turn. */
function project(points: Float32Array, i: number): [number, number, number] {
  const [x, y, z] = points.subarray(3 * i, 3 * i + 3);
  const [sin, cos] = [Math.sin((TURN_DEG * Math.PI) / 180), Math.cos((TURN_DEG * Math.PI) / 180)];
  return [x * cos + y * sin, z, x * sin - y * cos];
}

function line(points: readonly (readonly number[])[], widthMm: number, color: string, fill = "none"): SVGElement {
  const made = document.createElementNS(SVG, "polyline");
  made.setAttribute("points", points.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" "));
  made.setAttribute("fill", fill);
  made.setAttribute("stroke", color);
  made.setAttribute("stroke-width", String(widthMm));
  made.setAttribute("stroke-linejoin", "round");
  made.setAttribute("stroke-linecap", "round");
  return made;
}
