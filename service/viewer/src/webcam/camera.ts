/** Pictures of the webcam with the times at which they were taken. */

/** The newest frame, and when it was taken, on the clock of `performance.now()`, ms. */
export interface CameraFrame {
  picture: HTMLCanvasElement;
  takenMs: number;
}

/** A picture is newer than the one told of by less than this, or the browser's two times are not of one clock, ms. */
const MOST_NEWER_MS = 1000;

export class Camera {
  private readonly canvas = document.createElement("canvas");
  private readonly context = this.canvas.getContext("2d", { alpha: false }) as CanvasRenderingContext2D;

  private constructor(
    readonly video: HTMLVideoElement,
    private readonly stream: MediaStream,
    onEnd: () => void,
  ) {
    for (const track of stream.getVideoTracks()) track.addEventListener("ended", onEnd);
  }

  /**
   * Ask for the webcam and show it in `video`.
   *
   * @param onEnd - called when the camera is unplugged or taken away.
   * @throws DOMException - there is none, or it was refused.
   */
  static async open(video: HTMLVideoElement, onEnd: () => void): Promise<Camera> {
    // Browsers give cameras only to pages of this computer and to https.
    if (!navigator.mediaDevices) throw new DOMException("no camera here", "SecurityError");
    const stream = await navigator.mediaDevices.getUserMedia({
      audio: false,
      video: { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 30 } },
    });
    video.srcObject = stream;
    await video.play();
    return new Camera(video, stream, onEnd);
  }

  /** Wait for the next frame. Frames that came since the last call are skipped. */
  next(): Promise<CameraFrame> {
    return new Promise((resolve) => {
      this.video.requestVideoFrameCallback((nowMs, frame) => {
        // On a busy machine the video shows a newer picture by now than the one told of; a copy has its own time.
        const copy = "VideoFrame" in window ? new VideoFrame(this.video) : null;
        this.canvas.width = frame.width;
        this.canvas.height = frame.height;
        this.context.drawImage(copy ?? this.video, 0, 0);
        const newerMs = copy ? copy.timestamp / 1000 - frame.mediaTime * 1000 : 0;
        copy?.close();
        const isTime = newerMs >= 0 && newerMs < MOST_NEWER_MS;
        resolve({ picture: this.canvas, takenMs: (frame.captureTime ?? nowMs) + (isTime ? newerMs : 0) });
      });
    });
  }

  close(): void {
    for (const track of this.stream.getTracks()) track.stop();
    this.video.srcObject = null;
  }
}
