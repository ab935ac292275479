/** MediaPipe Hands, loaded when it is first needed, from this server alone. */

import type { Hands, Results } from "@mediapipe/hands";
import binarypb from "@mediapipe/hands/hands.binarypb?url&no-inline";
import script from "@mediapipe/hands/hands.js?url&no-inline";
import landmarks from "@mediapipe/hands/hand_landmark_full.tflite?url&no-inline";
import assets from "@mediapipe/hands/hands_solution_packed_assets.data?url&no-inline";
import assetsLoader from "@mediapipe/hands/hands_solution_packed_assets_loader.js?url&no-inline";
import wasmLoader from "@mediapipe/hands/hands_solution_simd_wasm_bin.js?url&no-inline";
import wasm from "@mediapipe/hands/hands_solution_simd_wasm_bin.wasm?url&no-inline";
import type { Side } from "@myocast/client";

const FILES: Record<string, string> = {
  "hands.binarypb": binarypb,
  "hand_landmark_full.tflite": landmarks,
  "hands_solution_packed_assets.data": assets,
  "hands_solution_packed_assets_loader.js": assetsLoader,
  "hands_solution_simd_wasm_bin.js": wasmLoader,
  "hands_solution_simd_wasm_bin.wasm": wasm,
};

/** One hand in one picture. */
export interface TrackedHand {
  side: Side;
  /** 0..1. */
  confidence: number;
  /** 63 values, mm, about the hand's middle; axes x right, y down, z away from the camera. */
  points: Float64Array;
  /** 42 values: x and y of the points as shares of the picture's width and height. */
  picture: Float64Array;
  /** 21 values: how far away the points are, from any origin, as shares of the picture's width. */
  depth: Float64Array;
}

export class HandTracker {
  private results: Results | null = null;

  private constructor(private readonly hands: Hands) {
    hands.setOptions({ maxNumHands: 2, modelComplexity: 1, minDetectionConfidence: 0.5, minTrackingConfidence: 0.5 });
    hands.onResults((results) => {
      this.results = results;
    });
  }

  /** @throws Error - a file is missing, or this browser lacks WebAssembly SIMD or WebGL. */
  static async load(): Promise<HandTracker> {
    // The library is no module: it defines a global.
    if (!("Hands" in window)) await loadScript(script);
    const { Hands: Constructor } = window as unknown as { Hands: typeof Hands };
    const tracker = new HandTracker(new Constructor({ locateFile }));
    await tracker.hands.initialize();
    return tracker;
  }

  /** The hands in a picture that is not mirrored. One call at a time. */
  async find(picture: HTMLCanvasElement): Promise<TrackedHand[]> {
    this.results = null;
    await this.hands.send({ image: picture });
    const results = this.results as Results | null;
    return results ? results.multiHandedness.map((_, i) => trackedHand(results, i)) : [];
  }

  close(): void {
    void this.hands.close();
  }
}

function trackedHand(results: Results, i: number): TrackedHand {
  const { label, score } = results.multiHandedness[i];
  return {
    // The library expects a mirrored picture, and this one is not.
    side: label === "Left" ? "right" : "left",
    confidence: score,
    points: Float64Array.from(results.multiHandWorldLandmarks[i].flatMap((p) => [p.x * 1000, p.y * 1000, p.z * 1000])),
    picture: Float64Array.from(results.multiHandLandmarks[i].flatMap((p) => [p.x, p.y])),
    depth: Float64Array.from(results.multiHandLandmarks[i], (p) => p.z),
  };
}

function locateFile(name: string): string {
  const file = FILES[name];
  if (!file) throw new Error(`the hand tracker wants ${name}: this browser lacks WebAssembly SIMD`);
  return new URL(file, document.baseURI).href;
}

function loadScript(address: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const element = document.createElement("script");
    element.src = address;
    element.crossOrigin = "anonymous";
    element.onload = () => resolve();
    element.onerror = () => reject(new Error("the hand tracker could not be loaded"));
    document.head.append(element);
  });
}
