/** A drawing of the band on the forearm, seen from the elbow as its wearer sees it, with a light for each channel. */

import { CHANNELS, type Side } from "@myocast/client";

import type { AlignmentResult, Signal } from "./armStatus";
import { channelDeg, turnClockwiseDeg } from "./bandGeometry";
import { CHANNEL_STATES } from "./words";

const SVG = "http://www.w3.org/2000/svg";
const [CENTER_X, CENTER_Y, RADIUS_X, RADIUS_Y] = [110, 84, 62, 50];
/** The back of the arm. */
const TOP = -Math.PI / 2;
const ARROW_SHARE = 0.55;
const ARROW_STEPS = 16;
/** A turn too small for an arrow, degrees. */
const SMALL_TURN_DEG = 8;

export class BandDrawing {
  readonly element = svg("svg", { viewBox: "-14 0 248 168", role: "img", class: "band" });
  private readonly lights: SVGElement[] = [];
  private readonly labels = svg("g", {});
  private readonly arrow = svg("path", { class: "turn" });

  constructor() {
    this.element.append(
      svg("ellipse", { cx: CENTER_X, cy: CENTER_Y, rx: RADIUS_X - 14, ry: RADIUS_Y - 14, class: "arm" }),
      svg("ellipse", { cx: CENTER_X, cy: CENTER_Y, rx: RADIUS_X, ry: RADIUS_Y, class: "strap" }),
    );
    for (let i = 0; i < CHANNELS; i++) this.lights.push(svg("circle", { r: 12, class: "light" }));
    this.element.append(...this.lights, this.arrow, this.labels);
  }

  /** Draw the band as it was found to sit, with an arrow of the turn: from the back of the arm, where there is none. */
  showTurn(side: Side, result: AlignmentResult): void {
    this.place(side, null, result.turn_deg ?? 0, result.mirrored ?? false);
  }

  /** Place the channels for this arm, and colour them; without a signal check all are grey. */
  show(side: Side, signal: Signal | null): void {
    this.place(side, signal, 0, false);
  }

  private place(side: Side, signal: Signal | null, turnDeg: number, mirrored: boolean): void {
    this.labels.replaceChildren(text(CENTER_X, 14, "back of the arm"), text(CENTER_X, 164, "palm side"));
    const thumb = side === "right" ? 10 : 210;
    this.labels.append(text(thumb, CENTER_Y - 4, "thumb"), text(thumb, CENTER_Y + 10, "side"));
    for (let i = 0; i < CHANNELS; i++) this.showChannel(i, signal, channelDeg(side, i, turnDeg, mirrored));
    const turn = radians(turnClockwiseDeg(side, turnDeg));
    this.arrow.setAttribute("d", Math.abs(turnDeg) < SMALL_TURN_DEG ? "" : arrow(turn));
    const words = signal?.channels.map((channel) => `${channel.channel}: ${CHANNEL_STATES[channel.state]}`).join(", ");
    this.element.setAttribute("aria-label", `The band on the ${side} arm${words ? `; channel ${words}` : ""}`);
  }

  private showChannel(i: number, signal: Signal | null, degrees: number): void {
    const [x, y] = onRing(TOP + radians(degrees));
    const light = this.lights[i];
    light.setAttribute("cx", String(x));
    light.setAttribute("cy", String(y));
    light.dataset.state = signal?.channels.find((channel) => channel.channel === i + 1)?.state ?? "";
    this.labels.append(text(x, y + 4, String(i + 1), "number"));
  }
}

function radians(degrees: number): number {
  return (degrees * Math.PI) / 180;
}

/** A point at this angle of the band, or at a share of its radius. */
function onRing(angle: number, share = 1): [number, number] {
  return [CENTER_X + RADIUS_X * share * Math.cos(angle), CENTER_Y + RADIUS_Y * share * Math.sin(angle)];
}

/** The path of an arrow along the inside of the arm, from the top by this angle, radians. */
function arrow(turn: number): string {
  const at = (share: number, angle: number): string => onRing(angle, share).map((value) => value.toFixed(1)).join(" ");
  const line = Array.from({ length: ARROW_STEPS + 1 }, (_, i) => at(ARROW_SHARE, TOP + (turn * i) / ARROW_STEPS));
  const [end, back] = [TOP + turn, TOP + turn - Math.sign(turn) * 0.28];
  return `M${line.join("L")}M${at(ARROW_SHARE + 0.13, back)}L${at(ARROW_SHARE, end)}L${at(ARROW_SHARE - 0.13, back)}`;
}

function svg(tag: string, attributes: Record<string, string | number>): SVGElement {
  const made = document.createElementNS(SVG, tag) as SVGElement;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
  return made;
}

function text(x: number, y: number, content: string, className = ""): SVGElement {
  const made = svg("text", { x, y, "text-anchor": "middle", class: className });
  made.textContent = content;
  return made;
}
