/** Findings of the guide in a person's words. */

import type { AlignmentResult, ChannelState, Errors, Labels, Prompt } from "./armStatus";

/** What to do at each cue. */
export const CUES: Record<string, readonly [string, string]> = {
  rest: ["Rest", "Let the hand and the arm go quite limp."],
  fist: ["Fist", "Close the hand, about half as hard as you can."],
  extension: ["Wrist back", "Bend the wrist towards the back of the hand."],
  flexion: ["Wrist in", "Bend the wrist towards the palm."],
  open: ["Open", "Spread all fingers wide."],
  index: ["Index finger", "Bend the index finger alone."],
  middle: ["Middle finger", "Bend the middle finger alone."],
  ring: ["Ring finger", "Bend the ring finger alone."],
  pinky: ["Little finger", "Bend the little finger alone."],
  thumb: ["Thumb", "Lay the thumb across the palm."],
  point: ["Point", "Point with the index finger, the others closed."],
  pinch: ["Pinch", "Press thumb and index finger together."],
};

export const CHANNEL_STATES: Record<ChannelState, string> = {
  good: "good", flat: "no contact", railed: "out of range", noisy: "noisy", hum: "mains hum", copy: "copy of another",
};

/** Below this a turn is what every donning differs by, degrees. */
const SMALL_TURN_DEG = 8;
const GOOD_SCORE = 0.85;
/** Below this fit the movements should be done once more. */
export const FAIR_SCORE = 0.6;

/** How the band sits. */
export function alignmentSentence(result: AlignmentResult): string {
  const { turn_deg, mirrored, score } = result;
  if (turn_deg === null) return "A matrix from a file is in use.";
  const degrees = Math.round(Math.abs(turn_deg));
  const turn = degrees < SMALL_TURN_DEG
    ? "The band sits where the model expects it"
    : `The band is turned ${degrees}° ${turn_deg < 0 ? "towards" : "away from"} the thumb`;
  const side = mirrored ? `${turn}, and it is worn the other way round` : turn;
  const remedy = degrees < SMALL_TURN_DEG && !mirrored ? "." : ". Leave it: this is undone.";
  return `${side}${remedy} ${score === null ? "" : fitSentence(score)}`.trim();
}

function fitSentence(score: number): string {
  const percent = `${Math.round(Math.max(score, 0) * 100)} %`;
  if (score >= GOOD_SCORE) return `Your movements fit well (${percent}).`;
  if (score >= FAIR_SCORE) return `Your movements fit fairly (${percent}).`;
  return `Your movements fit badly (${percent}): do the movements once more, each clearly different.`;
}

/** One error with its unit, degrees where there are some. */
export function errorText(errors: Errors): string {
  if (errors.angle_mae_deg !== null) return `${errors.angle_mae_deg.toFixed(1)}°`;
  return errors.mpjpe_mm === null ? "–" : `${errors.mpjpe_mm.toFixed(1)} mm`;
}

export function errorValue(errors: Errors): number | null {
  return errors.angle_mae_deg ?? errors.mpjpe_mm;
}

/** What is to be done now: the movement, and how much of it. */
export function promptText(prompt: Pick<Prompt, "pose" | "level">): string {
  const name = CUES[prompt.pose]?.[0] ?? prompt.pose.replaceAll("_", " ");
  if (prompt.pose === "rest" || prompt.level === 0) return CUES.rest[0];
  return prompt.level >= 0.995 ? name : `${name}, ${Math.round(prompt.level * 100)}\u00a0%`;
}

const LABEL_SOURCES: Record<string, string> = {
  webcam: "the webcam", leap: "the Leap", hts: "the headset", prompts: "the prompts", "ground truth": "the true hand",
};

/** Where labels come from, how many, and how late they are. */
export function labelsText(labels: Labels): string {
  const source = LABEL_SOURCES[labels.source] ?? (labels.source || "a client");
  if (labels.state === "waiting") return `Waiting for the first label from ${source}.`;
  if (labels.state === "missing") return `No labels from ${source} at the moment. They go on when it is back.`;
  const lag = labels.lag_ms === null ? "" : `, ${lagText(labels.source, Math.round(labels.lag_ms))}`;
  return `${labels.labels} labels from ${source}, ${labels.rate_hz.toFixed(0)} a second${lag}.`;
}

function lagText(source: string, lagMs: number): string {
  if (source === "prompts") return `which you follow ${-lagMs} ms later`;
  return `${Math.abs(lagMs)} ms ${lagMs < 0 ? "early" : "late"}`;
}
