/** One subscription to one server, kept alive until it is closed. */

import { Address } from "./address.js";
import { Api } from "./api.js";
import { ClockOffset, Pings } from "./clock.js";
import {
  closeError, ConnectionSnapshot, isFinal, type Connection, type ConnectionError, type Phase,
} from "./connection.js";
import { decode, ProtocolError } from "./decode.js";
import { deprecated } from "./deprecated.js";
import { environment, type Environment, type WebSocketConstructor, type WebSocketLike } from "./environment.js";
import type {
  ClientMessage, Encoding, Hello, LabelValue, Message, MessageOf, MessageType, Pose, StreamName,
} from "./messages.js";
import { Queue } from "./queue.js";
import { handshakeError } from "./handshakeError.js";

export interface Options {
  /** What to receive. Default `["pose"]`. */
  streams?: readonly StreamName[];
  /** Poses per second at most; absent = every pose. */
  maxRate?: number | null;
  /** Access token; one in the address's fragment (`#token=T`) is used too. */
  token?: string | null;
  /** `binary` (default) costs least; `json` is readable in a browser's tools. */
  encoding?: Encoding;
  /** First pause before a new attempt, ms; it doubles. Default 250. */
  minRetryMs?: number;
  /** Longest pause, ms. Default 1500, so that a page is back within 2 s of its server's return. */
  maxRetryMs?: number;
  /** A link that answers no ping for this long is given up, ms. Default 2000. */
  silenceMs?: number;
  /** An attempt that is not open after this long is given up, ms. Default 4000. */
  openMs?: number;
  /** For Node below 22: `(await import("ws")).WebSocket`. */
  WebSocket?: WebSocketConstructor;
  /** Replaces clock, timers and network; for tests. */
  environment?: Partial<Environment>;
}

interface Events {
  message: Message;
  connection: Connection;
  /** A message that could not be decoded; the stream goes on. */
  malformed: ProtocolError;
}

type EventOf<K> = K extends keyof Events ? Events[K] : K extends MessageType ? MessageOf<K> : never;
type EventName = keyof Events | MessageType;
type Listener = (event: never) => void;

const PING_MS = 1000;
const FIRST_PING_MS = 100;
const FIRST_PINGS = 6;
const WAITING_MESSAGES = 64;
const BLIND_ATTEMPT = 4;
const OPEN_STEPS = 4;
const SUBPROTOCOL = { binary: "myocast.v1.binary", json: "myocast.v1.json" } as const;
const OPEN = 1;

/**
 * Subscribe to a Myocast server.
 *
 * Returns at once; the connection is made, and made again whenever it breaks, until `close()`.
 *
 * @param url - the address that `myocast serve` prints, or the stream's own.
 * @throws TypeError - the address is none, or there is no WebSocket here.
 */
export function connect(url: string | URL, options: Options = {}): Client {
  return new Client(url, options);
}

/** See {@link connect}. */
export class Client implements AsyncIterable<Pose> {
  readonly address: Address;
  readonly api: Api;

  /** The server's last description of itself, and the newest pose and status of device 0. */
  hello: Hello | null = null;
  latest: Pose | null = null;
  /** Messages that could not be decoded. */
  malformed = 0;
  connection: Readonly<Connection> = new ConnectionSnapshot("connecting", 0, 0, null);

  readonly #clock = new ClockOffset();
  readonly #pings = new Pings();
  readonly #env: Environment;
  readonly #encoding: Encoding;
  readonly #minRetryMs: number;
  readonly #maxRetryMs: number;
  readonly #silenceMs: number;
  readonly #openMs: number;
  readonly #listeners = new Map<EventName, Set<Listener>>();
  readonly #queues = new Set<Queue<never>>();
  readonly #stopWaking: () => void;

  #streams: readonly StreamName[];
  #maxRate: number | null;
  #socket: WebSocketLike | null = null;
  #attempt = 0;
  #error: ConnectionError | null = null;
  #retryTimer: unknown = null;
  #openTimer: unknown = null;
  #pingTimer: unknown = null;
  #lastPing = 0;
  #lastReceived = 0;
  #lastTick = 0;
  #closed = false;

  constructor(url: string | URL, options: Options) {
    this.#env = environment({
      ...(options.WebSocket ? { WebSocket: options.WebSocket } : {}),
      ...options.environment,
    });
    this.address = new Address(url, options.token);
    this.api = new Api(this.address, this.#env.fetch);
    this.#streams = options.streams ?? ["pose"];
    this.#maxRate = options.maxRate ?? null;
    this.#encoding = options.encoding ?? "binary";
    this.#minRetryMs = options.minRetryMs ?? 250;
    this.#maxRetryMs = options.maxRetryMs ?? 1500;
    this.#silenceMs = options.silenceMs ?? 2000;
    this.#openMs = options.openMs ?? 4000;
    this.#stopWaking = this.#env.onWake(() => this.#wake());
    this.#open();
  }

  /** Listen to a type of message, to `message` (all of them) or `connection`. Returns how to stop. */
  on<K extends EventName>(event: K, listener: (value: EventOf<K>) => void): () => void {
    const listeners = this.#listeners.get(event) ?? new Set();
    this.#listeners.set(event, listeners.add(listener as Listener));
    return () => void listeners.delete(listener as Listener);
  }

  /** `for await (const pose of client)`: always the newest pose; a slow loop misses some, never lags. */
  [Symbol.asyncIterator](): AsyncIterableIterator<Pose> {
    return this.messages("pose", 1);
  }

  /**
   * `for await` over one type of message.
   *
   * @param waiting - how many may wait for a slow loop before the oldest are dropped.
   */
  messages<T extends MessageType>(type: T, waiting = WAITING_MESSAGES): AsyncIterableIterator<MessageOf<T>> {
    const queue = new Queue<MessageOf<T>>(waiting, () => {
      stop();
      this.#queues.delete(queue as unknown as Queue<never>);
    });
    const stop = this.on(type, (message) => queue.push(message as MessageOf<T>));
    this.#queues.add(queue as unknown as Queue<never>);
    if (this.#closed) queue.close();
    return queue;
  }

  /** Replace the subscription, now and after every reconnect. A new `hello` answers. */
  subscribe(subscription: { streams?: readonly StreamName[]; maxRate?: number | null }): void {
    this.#streams = subscription.streams ?? ["pose"];
    this.#maxRate = subscription.maxRate ?? null;
    if (this.#socket?.readyState !== OPEN) return;
    this.#send({
      type: "subscribe",
      streams: [...this.#streams],
      ...(this.#maxRate === null ? {} : { max_rate: this.#maxRate }),
    });
  }

  /**
   * Tell the server where the hand really was: it learns from it while a fit runs, and records it while it records.
   *
   * The server answers only what it cannot use, with an `error` `bad_label`.
   *
   * @returns whether it was sent: not without a connection, where it would come too late.
   */
  sendLabel(label: LabelValue): boolean {
    return this.#send({ type: "label", ...label } as ClientMessage);
  }

  /** Put a note into the server's recording, at `t` on the server's clock (absent: now). Returns whether it was sent. */
  sendMarker(label: string, t?: number): boolean {
    return this.#send({ type: "marker", ...(t === undefined ? {} : { t }), label });
  }

  /** Whether messages can come now. */
  get connected(): boolean {
    return this.connection.phase === "open";
  }

  /** Why there is no connection; `null` while it is open. The same as `connection.error`. */
  get connectionError(): ConnectionError | null {
    return this.connection.error;
  }

  /** Seconds to add to this machine's time to get the server's; `null` before the first pong. */
  get clockOffset(): number | null {
    return this.#clock.offset;
  }

  /** Round trip of the ping that `clockOffset` comes from, seconds: it is off by half of that at most. */
  get roundTrip(): number | null {
    return this.#clock.roundTrip;
  }

  /** Unix seconds on the server's clock now; `null` before the first pong. */
  serverNow(): number | null {
    const offset = this.clockOffset;
    return offset === null ? null : this.#env.now() + offset;
  }

  /**
   * Seconds from the sample behind a message to now, here; `null` before the first pong.
   *
   * Unlike the message's own `age_ms`, which ends when the server has encoded it, this counts the network and
   * whatever the message waited in this program.
   */
  latency(message: { t: number }): number | null {
    const now = this.serverNow();
    return now === null ? null : now - message.t;
  }

  /** @deprecated Use {@link serverNow}; goes with version 0.2. */
  now(): number | null {
    deprecated("client.now()", "client.serverNow()");
    return this.serverNow();
  }

  /** @deprecated Use {@link latency}, which is in seconds; goes with version 0.2. */
  ageMs(message: { t: number }): number | null {
    deprecated("client.ageMs(message)", "client.latency(message), in seconds");
    const latency = this.latency(message);
    return latency === null ? null : latency * 1000;
  }

  /** @deprecated Use {@link clockOffset} and {@link roundTrip}; goes with version 0.2. */
  get clock(): ClockOffset {
    deprecated("client.clock", "client.clockOffset and client.roundTrip");
    return this.#clock;
  }

  /** Try again now, for example after the person gave another address or pressed "retry". */
  retry(): void {
    if (this.#closed || this.#socket) return;
    this.#env.clearTimeout(this.#retryTimer);
    this.#open();
  }

  /** Leave for good. Loops over messages end. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#stopWaking();
    this.#env.clearTimeout(this.#retryTimer);
    this.#drop(1000);
    this.#report("closed", 0);
    for (const queue of this.#queues) queue.close();
    this.#queues.clear();
  }

  #open(): void {
    this.#attempt += 1;
    this.#report("connecting", 0);
    let opened = false;
    const socket = new this.#env.WebSocket(this.address.stream(this.#streams, this.#maxRate), [
      SUBPROTOCOL[this.#encoding],
    ]);
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      opened = true;
      this.#opened();
    };
    socket.onmessage = (event: { data: string | ArrayBuffer }) => this.#receive(event.data);
    socket.onerror = () => undefined;
    socket.onclose = (event: { code: number; reason: string }) => {
      this.#drop();
      if (opened) this.#lost(closeError(event.code, event.reason, this.#error));
      else void this.#failed();
    };
    this.#awaitOpen(OPEN_STEPS);
  }

  // In steps, so that a program that was busy for long does not give up what is already open.
  #awaitOpen(steps: number): void {
    this.#openTimer = this.#env.setTimeout(() => {
      if (steps > 1) return this.#awaitOpen(steps - 1);
      this.#drop(4000);
      void this.#failed();
    }, this.#openMs / OPEN_STEPS);
  }

  #opened(): void {
    this.#env.clearTimeout(this.#openTimer);
    this.#attempt = 0;
    this.#error = null;
    this.#clock.reset();
    this.#pings.clear();
    this.#lastReceived = this.#lastTick = this.#env.now();
    this.#report("open", 0);
    this.#ping(FIRST_PINGS);
  }

  // The socket's handlers go first, so that nothing of an old connection is heard after it was given up.
  #drop(code?: number): void {
    const socket = this.#socket;
    this.#env.clearTimeout(this.#openTimer);
    this.#env.clearTimeout(this.#pingTimer);
    if (!socket) return;
    this.#socket = null;
    socket.onopen = socket.onmessage = socket.onclose = null;
    if (code !== undefined) socket.close(code);
  }

  #lost(error: ConnectionError): void {
    this.#error = error;
    this.#wait();
  }

  // A browser tells nothing about a refused handshake (close code 1006): the API says why.
  async #failed(): Promise<void> {
    const error = await this.#ask();
    if (this.#closed || this.#socket) return;
    if (error && isFinal(error)) {
      this.#error = error;
      return this.#report("refused", 0);
    }
    this.#error = error ?? { code: "lost", message: "the server answers, but not its stream" };
    this.#wait();
  }

  #ask(): Promise<ConnectionError | null> {
    return handshakeError(this.address, this.#env.fetch, this.#openMs);
  }

  #wait(): void {
    const doubled = this.#minRetryMs * 2 ** Math.min(this.#attempt, 16);
    const retryMs = Math.min(doubled, this.#maxRetryMs) * (0.8 + 0.2 * this.#env.random());
    this.#report("waiting", retryMs);
    this.#retryTimer = this.#env.setTimeout(() => void this.#again(), retryMs);
  }

  // While a server is away it is asked over HTTP: browsers slow down WebSockets that failed often.
  async #again(): Promise<void> {
    if (this.#attempt === 0 || (this.#attempt + 1) % BLIND_ATTEMPT === 0) return this.#open();
    const error = await this.#ask();
    if (this.#closed || this.#socket) return;
    if (error?.code !== "unreachable") return this.#open();
    this.#attempt += 1;
    this.#lost(error);
  }

  #wake(): void {
    if (this.connection.phase === "waiting") this.retry();
  }

  #receive(data: string | ArrayBuffer): void {
    this.#lastReceived = this.#env.now();
    let message: Message | null;
    try {
      message = decode(data);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.malformed += 1;
      return this.#emit("malformed", error);
    }
    if (message) this.#dispatch(message);
  }

  #dispatch(message: Message): void {
    if (message.type === "hello") this.hello = message;
    else if (message.type === "pose" && message.device === 0) this.latest = message;
    else if (message.type === "pong") this.#pong(message.id, message.t);
    else if (message.type === "bye") this.#error = { code: "stopping", message: message.reason };
    this.#emit(message.type, message);
    this.#emit("message", message);
  }

  #ping(fast: number): void {
    const now = (this.#lastTick = this.#lastPing = this.#env.now());
    this.#send({ type: "ping", id: this.#pings.send(now) });
    const every = fast > 0 ? FIRST_PING_MS : PING_MS;
    this.#pingTimer = this.#env.setTimeout(() => this.#tick(fast - 1, every), every);
  }

  // A late tick means that this program slept (background tab, closed lid): what came meanwhile was
  // not read yet, so the link is asked again before it is judged.
  #tick(fast: number, every: number): void {
    const now = this.#env.now();
    const slept = now - this.#lastTick > (every + PING_MS) / 1000;
    const unanswered = this.#lastReceived < this.#lastPing;
    if (!slept && unanswered && (now - this.#lastReceived) * 1000 >= this.#silenceMs) {
      this.#drop(4000);
      return this.#lost({ code: "silent", message: "the server fell silent" });
    }
    this.#ping(fast);
  }

  #pong(id: unknown, t: number): void {
    const sent = this.#pings.answered(id);
    if (sent !== undefined) this.#clock.add(sent, this.#lastReceived, t);
  }

  #send(message: ClientMessage): boolean {
    if (this.#socket?.readyState !== OPEN) return false;
    this.#socket.send(JSON.stringify(message));
    return true;
  }

  #report(phase: Phase, retryMs: number): void {
    this.connection = new ConnectionSnapshot(phase, this.#attempt, retryMs, this.#error);
    this.#emit("connection", this.connection);
  }

  #emit<K extends EventName>(event: K, value: EventOf<K>): void {
    const listeners = this.#listeners.get(event);
    if (listeners) for (const listener of listeners) (listener as (value: EventOf<K>) => void)(value);
  }
}
