/** What is going on, in words: the state's pill, and a notice where the person should know more. */

import type { State } from "@myocast/client";

import type { Desk } from "../desk";
import { element, setData, setHidden, setText } from "./dom";

export type Tone = "good" | "warn" | "bad" | "idle";
export type NoticeAction = "retry" | "play-again" | "token";

export interface Notice {
  title: string;
  text: string;
  /** `middle` = nothing else matters now; `corner` = the hand goes on. */
  place: "middle" | "corner";
  action: NoticeAction | null;
}

const LABELS: Record<State, readonly [string, Tone]> = {
  connecting: ["Connecting", "idle"],
  live: ["Live", "good"],
  stalled: ["Stalled", "warn"],
  reconnecting: ["Reconnecting", "warn"],
  replay: ["Replay", "good"],
  paused: ["Paused", "idle"],
  ended: ["Ended", "idle"],
  failed: ["Failed", "bad"],
};

const ACTIONS: Record<Exclude<NoticeAction, "token">, string> = { retry: "Try now", "play-again": "Play again" };

/** The word and colour of the state. */
export function label(desk: Desk): readonly [string, Tone] {
  const { phase, error } = desk.connection;
  if (phase === "refused") return error?.code === "unauthorized" ? ["Locked", "warn"] : ["Refused", "bad"];
  if (!desk.online) return desk.hello ? ["Offline", "bad"] : ["Connecting", "idle"];
  return LABELS[desk.current.state];
}

/** What to tell the person, or `null` when all is well. */
export function notice(desk: Desk, tokenTried: boolean): Notice | null {
  return connectionNotice(desk, tokenTried) ?? (desk.online ? deviceNotice(desk) : null);
}

function connectionNotice(desk: Desk, tokenTried: boolean): Notice | null {
  const { phase, error, attempt } = desk.connection;
  if (phase === "refused") return refused(error?.code ?? "", error?.message ?? "", tokenTried);
  if (phase === "open" || error === null) return null;
  const known = desk.hello !== null;
  // A short break (a reload, a hiccup) heals before anyone could read about it.
  if (known && attempt === 0 && desk.cause?.code !== "stopping") return null;
  if (!known) {
    return {
      title: "No server answers here",
      text: `Start it with “myocast serve”. This page connects by itself.`,
      place: "middle", action: "retry",
    };
  }
  const titles: Record<string, string> = {
    stopping: "The server was stopped", silent: "The server fell silent", too_many_clients: "The server is full",
  };
  return {
    title: titles[desk.cause?.code ?? ""] ?? "The server is gone",
    text: "The hand shows its last pose. This page comes back by itself as soon as the server does.",
    place: "middle", action: "retry",
  };
}

function refused(code: string, message: string, tokenTried: boolean): Notice {
  if (code === "unauthorized") {
    return {
      title: tokenTried ? "That token was not accepted" : "This server asks for a token",
      text: "It is part of the address that “myocast serve” printed, after #token=",
      place: "middle", action: "token",
    };
  }
  return { title: "The server does not let this page in", text: message, place: "middle", action: "retry" };
}

function deviceNotice(desk: Desk): Notice | null {
  const { status, entry, state } = desk.current;
  const name = entry.device?.name || "the armband";
  const why = status?.error?.message;
  switch (state) {
    case "connecting":
      if (status === null) return null;
      return { title: `Waiting for ${name}`, text: why ?? "No sample has come yet. Is it charged, worn and close?", place: "middle", action: null };
    case "stalled":
      return { title: "No signal", text: why ?? `${name} is connected but sends nothing.`, place: "corner", action: null };
    case "reconnecting":
      return { title: "The armband is out of reach", text: why ?? "The link is being made again. Bring the armband closer, or charge it.", place: "corner", action: null };
    case "ended":
      return { title: "The recording has ended", text: "", place: "corner", action: "play-again" };
    case "failed":
      return { title: "Something failed", text: why ?? "The server’s log says more.", place: "middle", action: null };
  }
  if (why) return { title: "The server reports a problem", text: why, place: "corner", action: null };
  if (entry.device && !entry.model) {
    return {
      title: "EMG without poses",
      text: `No model fits ${name}. Signals are shown and can be recorded; “myocast serve --model FILE” brings a hand.`,
      place: "corner", action: null,
    };
  }
  return null;
}

/** Shows pill and notice, and reads changes out. */
export class NoticeView {
  private readonly pill = element<HTMLElement>("pill");
  private readonly box = element<HTMLElement>("notice");
  private readonly title = this.box.querySelector("h2") as HTMLElement;
  private readonly text = this.box.querySelector("p") as HTMLElement;
  private readonly form = element<HTMLFormElement>("token");
  private readonly button = element<HTMLButtonElement>("notice-action");
  private readonly stage = this.box.parentElement as HTMLElement;
  private readonly announce = element<HTMLElement>("announce");
  private action: NoticeAction | null = null;

  constructor(onAction: (action: NoticeAction) => void, onToken: (token: string) => void) {
    this.button.addEventListener("click", () => this.action && onAction(this.action));
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      const token = String(new FormData(this.form).get("token") ?? "").trim();
      this.form.reset();
      if (token) onToken(token);
    });
  }

  show(desk: Desk, tokenTried: boolean): void {
    const [word, tone] = label(desk);
    const text = this.pill.querySelector("b") as HTMLElement;
    if (text.textContent !== word) this.announce.textContent = word;
    setText(text, word);
    setData(this.pill, "tone", tone);
    this.showNotice(notice(desk, tokenTried));
  }

  private showNotice(notice: Notice | null): void {
    setHidden(this.box, notice === null);
    setData(this.stage, "dim", String(notice?.place === "middle"));
    this.action = notice?.action ?? null;
    if (!notice) return;
    setText(this.title, notice.title);
    setText(this.text, notice.text);
    setData(this.box, "place", notice.place);
    const asks = notice.action === "token";
    if (asks && this.form.hidden) queueMicrotask(() => this.form.querySelector("input")?.focus());
    setHidden(this.form, !asks);
    setHidden(this.button, asks || notice.action === null);
    if (notice.action && notice.action !== "token") setText(this.button, ACTIONS[notice.action]);
  }
}
