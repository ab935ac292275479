/** What the client takes from its surroundings; given by hand where they lack it, and in tests. */

/** The part of the WebSocket interface that is used: the browser's, Node ≥ 22's and that of `ws` fit. */
export interface WebSocketLike {
  binaryType: string;
  readonly readyState: number;
  readonly protocol: string;
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  send(data: string): void;
  close(code?: number, reason?: string): void;
}

export type WebSocketConstructor = new (url: string, protocols?: string | string[]) => WebSocketLike;

/** Clock, timers, chance and network. */
export interface Environment {
  WebSocket: WebSocketConstructor;
  fetch: typeof fetch;
  /** Unix seconds that never step back. */
  now(): number;
  setTimeout(callback: () => void, ms: number): unknown;
  clearTimeout(handle: unknown): void;
  /** Uniform in [0, 1). */
  random(): number;
  /** Calls back when trying again at once makes sense (the network came back); returns how to stop. */
  onWake(callback: () => void): () => void;
}

/** The globals of this program. @throws TypeError - there is no WebSocket here and none was given. */
export function environment(given: Partial<Environment>): Environment {
  const socket = given.WebSocket ?? (globalThis.WebSocket as unknown as WebSocketConstructor | undefined);
  if (!socket) {
    throw new TypeError(
      'no WebSocket here: use Node 22 or later, or pass one: connect(url, { WebSocket: (await import("ws")).WebSocket })',
    );
  }
  return {
    fetch: (input, init) => fetch(input, init),
    now: () => (performance.timeOrigin + performance.now()) / 1000,
    setTimeout: (callback, ms) => setTimeout(callback, ms),
    clearTimeout: (handle) => clearTimeout(handle as ReturnType<typeof setTimeout>),
    random: Math.random,
    onWake,
    ...given,
    WebSocket: socket,
  };
}

function onWake(callback: () => void): () => void {
  if (typeof window === "undefined") return () => undefined;
  const visible = (): void => {
    if (document.visibilityState === "visible") callback();
  };
  window.addEventListener("online", callback);
  document.addEventListener("visibilitychange", visible);
  return () => {
    window.removeEventListener("online", callback);
    document.removeEventListener("visibilitychange", visible);
  };
}
