/** How far a person has come with each armband; kept for this tab, so that a reload goes on where they were. */

export const STEPS = ["put-on", "check", "align", "teach", "use"] as const;
export type StepName = (typeof STEPS)[number];

export interface Progress {
  open: boolean;
  step: StepName;
  done: StepName[];
}

const STORAGE_KEY = "myocast.guide";

/** The progress with this armband; `open` = whether the guide opens by itself there. */
export function loadProgress(armband: string, open: boolean): Progress {
  return all()[armband] ?? { open, step: STEPS[0], done: [] };
}

/** Whether anything was done with this armband. */
export function hasProgress(armband: string): boolean {
  return armband in all();
}

export function saveProgress(armband: string, progress: Progress): void {
  sessionStorage.setItem(STORAGE_KEY, JSON.stringify({ ...all(), [armband]: progress }));
}

function all(): Record<string, Progress> {
  return JSON.parse(sessionStorage.getItem(STORAGE_KEY) ?? "{}") as Record<string, Progress>;
}
