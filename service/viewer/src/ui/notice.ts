/** The state in words: the label in the header, and a notice where the user should know more or do something. */

import type { State } from "@myocast/client";

import type { Store } from "../store";
import { docsAddress, type DocsSection } from "./docsLink";
import { element, setData, setHidden, setText, setTextWithCode } from "./dom";

export type Tone = "good" | "warn" | "bad" | "idle";
export type NoticeAction = "retry" | "play-again" | "token";

export interface Notice {
  title: string;
  /** Parts between backquotes are shown as code. */
  text: string;
  /** `middle` = over a dimmed scene, because no new poses come; `corner` = below a scene that goes on. */
  place: "middle" | "corner";
  action: NoticeAction | null;
  /** A section of `/docs` that says more. */
  link?: { text: string; section: DocsSection };
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

const ACTIONS: Record<Exclude<NoticeAction, "token">, string> = { retry: "Try again now", "play-again": "Play again" };

/** Text and colour of the state. */
function stateLabel(store: Store): readonly [string, Tone] {
  const { phase, error } = store.connection;
  if (phase === "refused") return error?.code === "unauthorized" ? ["Locked", "warn"] : ["Refused", "bad"];
  if (!store.online) return store.hello ? ["Offline", "bad"] : ["Connecting", "idle"];
  return LABELS[store.current.state];
}

/** The notice to show, or `null` if there is none. */
function currentNotice(store: Store, tokenTried: boolean): Notice | null {
  return connectionNotice(store, tokenTried) ?? (store.online ? deviceNotice(store) : null);
}

function connectionNotice(store: Store, tokenTried: boolean): Notice | null {
  const { phase, error, attempt } = store.connection;
  if (phase === "refused") return refusalNotice(error?.code ?? "", error?.message ?? "", tokenTried);
  if (phase === "open" || error === null) return null;
  const known = store.hello !== null;
  // Most lost connections are restored at the first attempt, before a notice could be read.
  if (known && attempt === 0 && store.disconnectCause?.code !== "stopping") return null;
  if (!known) {
    return {
      title: "No server found",
      text: "Start it with `myocast serve`. This page connects automatically.",
      place: "middle", action: "retry",
    };
  }
  const titles: Record<string, string> = {
    stopping: "The server was stopped", silent: "The server does not respond", too_many_clients: "The server is full",
  };
  return {
    title: titles[store.disconnectCause?.code ?? ""] ?? "Connection lost",
    text: "The hand shows its last pose. This page reconnects automatically once the server is back.",
    place: "middle", action: "retry",
  };
}

function refusalNotice(code: string, message: string, tokenTried: boolean): Notice {
  if (code === "unauthorized") {
    return {
      title: tokenTried ? "That token was not accepted" : "This server asks for a token",
      text: "It is part of the address that `myocast serve` printed, after `#token=`.",
      place: "middle", action: "token",
    };
  }
  return { title: "The server refused this page", text: message, place: "middle", action: "retry" };
}

function deviceNotice(store: Store): Notice | null {
  const { status, entry, state } = store.current;
  const name = entry.device?.name || "the armband";
  const why = status?.error?.message;
  switch (state) {
    case "connecting":
      if (status === null) return null;
      return { title: `Waiting for ${name}`, text: why ?? "No samples yet. Is the armband charged, worn and close to the receiver?", place: "middle", action: null, link: { text: "How to connect an armband", section: "armband" } };
    case "stalled":
      return { title: "No signal", text: why ?? `${name} is connected but sends no data.`, place: "corner", action: null };
    case "reconnecting":
      return { title: "The armband is out of reach", text: why ?? "Reconnecting. Move the armband closer, or charge it.", place: "corner", action: null };
    case "ended":
      return { title: "The recording has ended", text: "", place: "corner", action: "play-again" };
    case "failed":
      return { title: "The server reports a failure", text: why ?? "See the server’s log for details.", place: "middle", action: null };
  }
  if (why) return { title: "The server reports a problem", text: why, place: "corner", action: null };
  if (entry.device && !entry.model) {
    return {
      title: "EMG without poses",
      text: `No model fits ${name}, so no hand is predicted. Signals are shown and can be recorded. For poses, start \`myocast serve\` with \`--model FILE\`.`,
      place: "corner", action: null,
      link: { text: "Which models there are, and how to make one", section: "models" },
    };
  }
  return null;
}

/** Shows the state label and the notice, and announces changes to screen readers. */
export class NoticeView {
  private readonly pill = element<HTMLElement>("pill");
  private readonly box = element<HTMLElement>("notice");
  private readonly title = this.box.querySelector("h2") as HTMLElement;
  private readonly text = this.box.querySelector("p") as HTMLElement;
  private readonly form = element<HTMLFormElement>("token");
  private readonly button = element<HTMLButtonElement>("notice-action");
  private readonly link = element<HTMLAnchorElement>("notice-link");
  private readonly scenePanel = this.box.parentElement as HTMLElement;
  private readonly announce = element<HTMLElement>("announce");
  private action: NoticeAction | null = null;

  /** @param token - the access token in use, for links to the server's own pages. */
  constructor(
    onAction: (action: NoticeAction) => void,
    onToken: (token: string) => void,
    private readonly token: () => string | null,
  ) {
    this.button.addEventListener("click", () => this.action && onAction(this.action));
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      const token = String(new FormData(this.form).get("token") ?? "").trim();
      this.form.reset();
      if (token) onToken(token);
    });
  }

  show(store: Store, tokenTried: boolean): void {
    const [label, tone] = stateLabel(store);
    const text = this.pill.querySelector("b") as HTMLElement;
    if (text.textContent !== label) this.announce.textContent = label;
    setText(text, label);
    setData(this.pill, "tone", tone);
    this.showNotice(currentNotice(store, tokenTried));
  }

  private showNotice(notice: Notice | null): void {
    setHidden(this.box, notice === null);
    setData(this.scenePanel, "dim", String(notice?.place === "middle"));
    this.action = notice?.action ?? null;
    if (!notice) return;
    setText(this.title, notice.title);
    setTextWithCode(this.text, notice.text);
    setData(this.box, "place", notice.place);
    const needsToken = notice.action === "token";
    if (needsToken && this.form.hidden) queueMicrotask(() => this.form.querySelector("input")?.focus());
    setHidden(this.form, !needsToken);
    setHidden(this.button, needsToken || notice.action === null);
    if (notice.action && notice.action !== "token") setText(this.button, ACTIONS[notice.action]);
    setHidden(this.link, !notice.link);
    if (!notice.link) return;
    setText(this.link, notice.link.text);
    this.link.href = docsAddress(this.token(), notice.link.section);
  }
}
