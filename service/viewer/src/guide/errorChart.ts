/** The error while a personal model is learned: as the model came, and falling with each second of labels. */

const SVG = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT] = [280, 90];

export class ErrorChart {
  readonly element = document.createElementNS(SVG, "svg");
  private readonly before = document.createElementNS(SVG, "line");
  private readonly after = document.createElementNS(SVG, "polyline");
  private readonly beforeLabel = label("as the model came", 0, "start");
  private readonly afterLabel = label("now", WIDTH, "end");
  private readonly values: { seconds: number; error: number }[] = [];

  constructor() {
    this.element.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
    this.element.setAttribute("class", "chart");
    this.element.setAttribute("role", "img");
    this.before.setAttribute("class", "before");
    this.after.setAttribute("class", "after");
    this.element.append(this.before, this.after, this.beforeLabel, this.afterLabel);
  }

  clear(): void {
    this.values.length = 0;
  }

  /** Add the error after so many seconds of labels, and draw. */
  show(seconds: number, before: number, after: number): void {
    if (seconds > (this.values.at(-1)?.seconds ?? -1)) this.values.push({ seconds, error: after });
    const top = Math.max(before, ...this.values.map((value) => value.error)) * 1.25;
    const y = (error: number): number => HEIGHT - (error / top) * HEIGHT;
    for (const [name, value] of [["x1", 0], ["x2", WIDTH], ["y1", y(before)], ["y2", y(before)]] as const) {
      this.before.setAttribute(name, String(value));
    }
    this.beforeLabel.setAttribute("y", String(y(before) - 4));
    // Below its line, as the line of before is above it where anything was learned.
    this.afterLabel.setAttribute("y", String(Math.min(y(after) + 14, HEIGHT - 3)));
    const x = (at: number): number => (at / Math.max(seconds, 1)) * WIDTH;
    this.after.setAttribute("points", this.values.map((value) => `${x(value.seconds)},${y(value.error)}`).join(" "));
    this.element.setAttribute("aria-label", `Error before ${before.toFixed(1)}, now ${after.toFixed(1)}`);
  }
}

function label(text: string, x: number, anchor: string): SVGTextElement {
  const made = document.createElementNS(SVG, "text");
  made.setAttribute("x", String(x));
  made.setAttribute("text-anchor", anchor);
  made.textContent = text;
  return made;
}
