/** Lowers the render quality on machines that draw too slowly, such as those without a graphics card. */

/** A frame that starts this long after it was requested counts as slow, ms. */
const SLOW_FRAME_MS = 45;
/** The quality is lowered once slow frames outnumber fast ones by this many. */
const SLOW_FRAME_LIMIT = 12;
const LOWEST_LEVEL = 2;
const REDUCED_PIXEL_RATIO = 0.7;

export class RenderQuality {
  /** 0 = full quality, 1 = no cast shadows, 2 = fewer pixels as well. */
  private level = 0;
  private slowFrames = 0;

  /** `fixed` = keep full quality, however long a frame takes. */
  constructor(private readonly fixed: boolean) {}

  /** Take the delay of a frame, ms. Returns whether the quality was lowered. */
  addFrame(delayMs: number): boolean {
    this.slowFrames = delayMs > SLOW_FRAME_MS ? this.slowFrames + 1 : Math.max(0, this.slowFrames - 1);
    if (this.slowFrames < SLOW_FRAME_LIMIT || this.level === LOWEST_LEVEL || this.fixed) return false;
    this.slowFrames = 0;
    this.level++;
    return true;
  }

  /** Canvas pixels per CSS pixel. */
  get pixelRatio(): number {
    return Math.min(window.devicePixelRatio, 2) * (this.level === LOWEST_LEVEL ? REDUCED_PIXEL_RATIO : 1);
  }
}
