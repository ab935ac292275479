/** Where a connection stands, and why it is not open. */

import { deprecated } from "./deprecated.js";

/** Where the connection is. `waiting` = between two attempts, `refused` = the server said no for good. */
export type Phase = "connecting" | "open" | "waiting" | "refused" | "closed";

/**
 * Why there is no connection. `code` is the API's (`unauthorized`, `forbidden`, `bad_request`, …), or
 * `unreachable` (nobody answers), `lost`, `silent` (no answer to pings), `stopping`, `too_many_clients` or `policy`.
 */
export interface ConnectionError {
  code: "unreachable" | "lost" | "silent" | "stopping" | (string & {});
  message: string;
}

/** @deprecated Use {@link ConnectionError}; goes with version 0.2. */
export type Trouble = ConnectionError;

export interface Connection {
  phase: Phase;
  /** Attempts since the last open connection. */
  attempt: number;
  /** Milliseconds until the next attempt, while `waiting`. */
  retryMs: number;
  /** Why there is no connection; `null` while it is open and before the first attempt has failed. */
  error: ConnectionError | null;
  /** @deprecated Use `error`; goes with version 0.2. */
  readonly trouble?: ConnectionError | null;
}

/** A snapshot of a connection that still answers to the old name of `error`. */
export class ConnectionSnapshot implements Connection {
  constructor(
    readonly phase: Phase,
    readonly attempt: number,
    readonly retryMs: number,
    readonly error: ConnectionError | null,
  ) {}

  /** @deprecated Use `error`; goes with version 0.2. */
  get trouble(): ConnectionError | null {
    deprecated("connection.trouble", "connection.error");
    return this.error;
  }
}

/** Whether trying again cannot help: the server has judged the request, not its own state. */
export function isFinal(error: ConnectionError): boolean {
  return error.code === "unauthorized" || error.code === "forbidden" || error.code === "bad_request";
}

/**
 * What the end of an open connection means.
 *
 * @param last - the error that is known already; a `bye` that came before says more than the close code.
 */
export function closeError(code: number, reason: string, last: ConnectionError | null): ConnectionError {
  if (last?.code === "stopping") return last;
  if (code === 1001) return { code: "stopping", message: reason || "the server stopped" };
  if (code === 1013) return { code: "too_many_clients", message: reason || "the server has too many clients" };
  if (code === 1008) return { code: "policy", message: reason || "the server ended this connection" };
  return { code: "lost", message: reason || "the connection was lost" };
}
