/** How far a person has come with each armband; kept for this tab, so that a reload goes on where they were. */

export const STEPS = ["put-on", "check", "align", "teach", "use"] as const;
export type StepName = (typeof STEPS)[number];

export interface Progress {
  open: boolean;
  step: StepName;
  done: StepName[];
}

const STORAGE_KEY = "myocast.guide";

/** The progress with the armband of this address; `open` = whether the guide opens by itself there. */
export function loadProgress(uri: string, open: boolean): Progress {
  return all()[uri] ?? { open, step: STEPS[0], done: [] };
}

export function saveProgress(uri: string, progress: Progress): void {
  sessionStorage.setItem(STORAGE_KEY, JSON.stringify({ ...all(), [uri]: progress }));
}

function all(): Record<string, Progress> {
  return JSON.parse(sessionStorage.getItem(STORAGE_KEY) ?? "{}") as Record<string, Progress>;
}
