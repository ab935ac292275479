// A network, a server, a clock and timers that a test controls.

import { readFileSync } from "node:fs";

export function golden(name) {
  return readFileSync(new URL(`../../../tests/golden/${name}`, import.meta.url));
}

export const goldenText = (name) => golden(name).toString("utf8");

/** The bytes as a WebSocket delivers them: an ArrayBuffer of their own. */
export function goldenBytes(name) {
  const bytes = golden(name);
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
}

class FakeSocket {
  readyState = 0;
  sent = [];
  closed = null;

  constructor(url, protocols, server) {
    this.url = new URL(url);
    this.protocols = protocols;
    this.server = server;
  }

  send(text) {
    this.sent.push(JSON.parse(text));
    this.server.heard(this, JSON.parse(text));
  }

  close(code) {
    this.readyState = 3;
    this.closed = code;
  }

  open() {
    this.readyState = 1;
    this.onopen?.({});
  }

  deliver(message) {
    const data = typeof message === "string" || message instanceof ArrayBuffer ? message : JSON.stringify(message);
    this.onmessage?.({ data });
  }

  end(code, reason = "") {
    this.readyState = 3;
    this.onclose?.({ code, reason });
  }
}

/** A server that can be up, away, silent or refusing, in virtual time. */
export class World {
  /**
   * up: accepts, and answers pings. silent: accepts, answers nothing. away: nobody there. refusing: says no.
   * foreign: says no, and as in a page of another site the browser hides the answer to a request with a token.
   */
  mode = "up";
  refusal = { status: 401, code: "unauthorized", message: "a token is needed" };
  serverAhead = 0;
  latency = 0.01;
  time = 1000;
  sockets = [];
  requests = [];
  wakers = new Set();
  #timers = new Map();
  #next = 1;

  get environment() {
    const world = this;
    return {
      WebSocket: class extends FakeSocket {
        constructor(url, protocols) {
          super(url, protocols, world);
          world.sockets.push(this);
          world.after(world.latency, () => world.#answer(this));
        }
      },
      fetch: (url, init) => this.#fetch(url, init),
      now: () => this.time,
      setTimeout: (callback, ms) => this.after(ms / 1000, callback),
      clearTimeout: (id) => this.#timers.delete(id),
      random: () => 0.999,
      onWake: (callback) => {
        this.wakers.add(callback);
        return () => this.wakers.delete(callback);
      },
    };
  }

  get socket() {
    return this.sockets.at(-1);
  }

  after(seconds, callback) {
    this.#timers.set(this.#next, { at: this.time + seconds, callback });
    return this.#next++;
  }

  heard(socket, message) {
    if (message.type !== "ping" || this.mode !== "up") return;
    const t = this.time + this.serverAhead;
    this.after(this.latency, () => socket.deliver({ type: "pong", id: message.id, t: t + this.latency / 2 }));
  }

  /** Let this much time pass; what is due happens in order, and promises settle in between. */
  async pass(seconds) {
    const end = this.time + seconds;
    await settled();
    for (;;) {
      const [id, due] = [...this.#timers].reduce((a, b) => (b[1].at < a[1].at ? b : a), [0, { at: Infinity }]);
      if (due.at > end) break;
      this.#timers.delete(id);
      this.time = Math.max(this.time, due.at);
      due.callback();
      await settled();
    }
    this.time = end;
  }

  /** The program sleeps: time passes, nothing runs, then everything that was due runs at once. */
  async sleep(seconds) {
    this.time += seconds;
    await this.pass(0);
  }

  #answer(socket) {
    if (this.mode === "up" || this.mode === "silent") socket.open();
    else socket.end(1006);
  }

  #fetch(url, init) {
    this.requests.push({ url: String(url), ...init });
    if (this.mode === "away") return Promise.reject(new TypeError("fetch failed"));
    if (this.mode === "foreign" && init.headers.Authorization) return Promise.reject(new TypeError("Failed to fetch"));
    if (this.mode !== "refusing" && this.mode !== "foreign") return Promise.resolve(Response.json({ ok: true }));
    const { status, code, message } = this.refusal;
    return Promise.resolve(Response.json({ error: { code, message } }, { status }));
  }
}

async function settled() {
  for (let i = 0; i < 20; i++) await Promise.resolve();
  await new Promise((resolve) => setImmediate(resolve));
}
