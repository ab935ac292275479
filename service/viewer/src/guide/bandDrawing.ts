/** A drawing of the band on the forearm, seen from the elbow as its wearer sees it, with a light for each channel. */

import { CHANNELS, type Side } from "@myocast/client";

import type { Signal } from "./armStatus";
import { CHANNEL_STATES } from "./words";

const SVG = "http://www.w3.org/2000/svg";
const [CENTER_X, CENTER_Y, RADIUS_X, RADIUS_Y] = [110, 84, 62, 50];

export class BandDrawing {
  readonly element = svg("svg", { viewBox: "-14 0 248 168", role: "img", class: "band" });
  private readonly lights: SVGElement[] = [];
  private readonly labels = svg("g", {});

  constructor() {
    this.element.append(
      svg("ellipse", { cx: CENTER_X, cy: CENTER_Y, rx: RADIUS_X - 14, ry: RADIUS_Y - 14, class: "arm" }),
      svg("ellipse", { cx: CENTER_X, cy: CENTER_Y, rx: RADIUS_X, ry: RADIUS_Y, class: "strap" }),
    );
    for (let i = 0; i < CHANNELS; i++) this.lights.push(svg("circle", { r: 12, class: "light" }));
    this.element.append(...this.lights, this.labels);
  }

  /** Place the channels for this arm, and colour them; without a signal check all are grey. */
  show(side: Side, signal: Signal | null): void {
    this.labels.replaceChildren(text(CENTER_X, 14, "back of the arm"), text(CENTER_X, 164, "palm side"));
    const thumb = side === "right" ? 10 : 210;
    this.labels.append(text(thumb, CENTER_Y - 4, "thumb"), text(thumb, CENTER_Y + 10, "side"));
    for (let i = 0; i < CHANNELS; i++) this.showChannel(i, signal);
    const words = signal?.channels.map((channel) => `${channel.channel}: ${CHANNEL_STATES[channel.state]}`).join(", ");
    this.element.setAttribute("aria-label", `The band on the ${side} arm${words ? `; channel ${words}` : ""}`);
  }

  // Channel 1 is on the back of the forearm; the ring runs to the left on both arms: towards the thumb on a right one.
  private showChannel(i: number, signal: Signal | null): void {
    const angle = -Math.PI / 2 - (i / CHANNELS) * 2 * Math.PI;
    const [x, y] = [CENTER_X + RADIUS_X * Math.cos(angle), CENTER_Y + RADIUS_Y * Math.sin(angle)];
    const light = this.lights[i];
    light.setAttribute("cx", String(x));
    light.setAttribute("cy", String(y));
    light.dataset.state = signal?.channels.find((channel) => channel.channel === i + 1)?.state ?? "";
    this.labels.append(text(x, y + 4, String(i + 1), "number"));
  }
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
