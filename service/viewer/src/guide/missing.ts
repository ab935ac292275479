/** What a step waits for: the server, or the signal of the armband. */

import type { State } from "@myocast/client";

import type { Store } from "../store";

const SIGNAL: Partial<Record<State, string>> = {
  connecting: "Waiting for the first samples of the armband.",
  stalled: "The armband sends nothing at the moment. The step goes on as soon as it does.",
  reconnecting: "The armband is out of reach or switched off. The step goes on when it is back.",
  paused: "The replay is paused. The step goes on when it plays.",
  ended: "The recording has ended. Play it again to go on.",
  failed: "The server reports a failure; its log says more.",
};

/** What is missing, and how it goes on; `null` if nothing is. */
export function missingPart(store: Store, needsSignal: boolean): string | null {
  if (!store.online) {
    return store.connection.phase === "refused"
      ? "The server does not answer to this page any more."
      : "The server is gone. The step goes on when it is back.";
  }
  // Before the first status message nothing is known.
  const { status, state } = store.current;
  return (needsSignal && status !== null && SIGNAL[state]) || null;
}

/** Why a request failed, in a sentence. */
export function failureText(error: unknown): string {
  // `fetch` rejects with a TypeError where no server answers.
  if (error instanceof TypeError) return "The server did not answer. Try again when it is back.";
  return sentence(error instanceof Error ? error.message : String(error));
}

/** A server's line with a capital letter and a full stop. */
export function sentence(line: string): string {
  const text = line.charAt(0).toUpperCase() + line.slice(1);
  return /[.!?…]$/.test(text) || text === "" ? text : `${text}.`;
}
