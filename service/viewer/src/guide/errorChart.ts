/** The error while a personal model is learned: as the model came, and falling with each second of labels. */

const SVG = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT] = [280, 90];

export class ErrorChart {
  readonly element = document.createElementNS(SVG, "svg");
  private readonly before = document.createElementNS(SVG, "line");
  private readonly after = document.createElementNS(SVG, "polyline");
  private readonly values: { seconds: number; error: number }[] = [];

  constructor() {
    this.element.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
    this.element.setAttribute("class", "chart");
    this.element.setAttribute("role", "img");
    this.before.setAttribute("class", "before");
    this.after.setAttribute("class", "after");
    this.element.append(this.before, this.after);
  }

  clear(): void {
    this.values.length = 0;
  }

  /** Add the error after so many seconds of labels, and draw. */
  show(seconds: number, before: number, after: number): void {
    if (seconds > (this.values.at(-1)?.seconds ?? -1)) this.values.push({ seconds, error: after });
    const top = Math.max(before, ...this.values.map((value) => value.error)) * 1.1;
    const y = (error: number): number => HEIGHT - (error / top) * HEIGHT;
    for (const [name, value] of [["x1", 0], ["x2", WIDTH], ["y1", y(before)], ["y2", y(before)]] as const) {
      this.before.setAttribute(name, String(value));
    }
    const x = (at: number): number => (at / Math.max(seconds, 1)) * WIDTH;
    this.after.setAttribute("points", this.values.map((value) => `${x(value.seconds)},${y(value.error)}`).join(" "));
    this.element.setAttribute("aria-label", `Error before ${before.toFixed(1)}, now ${after.toFixed(1)}`);
  }
}
