/** The HTTP side: what a server is doing, and the few things that can be asked of it. */

import type { Address } from "./address.js";
import type { ServerError } from "./messages.js";

export type ReplayAction =
  | { action: "pause" | "resume" }
  | { action: "seek"; value: number }
  | { action: "speed"; value: number };

export type RecordingAction = { action: "start"; name?: string } | { action: "stop" };

export type AlignmentAction =
  | { action: "start"; cues?: readonly string[]; seconds?: number }
  | { action: "cancel" | "reset" }
  | { action: "use"; matrix: readonly number[] };

/** `labels: "prompts"` = the wearer follows a ghost hand, `status.labels.prompt`, that gives the labels. */
export type PersonalAction =
  | { action: "start"; labels?: "prompts" }
  | { action: "stop" | "discard" }
  | { action: "keep"; name: string };

export type DeviceAction = { action: "vibrate"; value: "short" | "medium" | "long" };

/** The server answered, and said no. `code` is the contract's (`unauthorized`, `conflict`, …). */
export class ApiError extends Error {
  override readonly name = "ApiError";

  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

/**
 * Requests to one server. Each method returns the object that the server answers with, and rejects
 * with {@link ApiError} when the server refuses or `TypeError` when it cannot be reached.
 */
export class Api {
  constructor(
    private readonly address: Address,
    private readonly fetcher: typeof fetch = (input, init) => fetch(input, init),
  ) {}

  status(signal?: AbortSignal): Promise<unknown> {
    return this.#request("status", signal ? { signal } : {});
  }

  model(): Promise<unknown> {
    return this.#request("model", {});
  }

  /** The models that can be chosen, and whether each fits an armband. */
  models(device = 0): Promise<unknown> {
    return this.#request(forArmband("models", device), {});
  }

  /** Use a model, named as in {@link models}, from now on; no pose is lost. */
  useModel(name: string, device = 0): Promise<unknown> {
    return this.#post("model", forDevice({ action: "use", name }, device));
  }

  /** How the band sits, or, with an action, what is done about it. `status` messages tell how it goes on. */
  alignment(body?: AlignmentAction, device = 0): Promise<unknown> {
    return body ? this.#post("alignment", forDevice(body, device)) : this.#request(forArmband("alignment", device), {});
  }

  /** What was learned from labels, or, with an action, what is done about it. `status` messages tell how it goes on. */
  personal(body?: PersonalAction, device = 0): Promise<unknown> {
    return body ? this.#post("personal", forDevice(body, device)) : this.#request(forArmband("personal", device), {});
  }

  /** `device` = index of the armband, where the server has several. */
  replay(body: ReplayAction, device = 0): Promise<unknown> {
    return this.#post("replay", forDevice(body, device));
  }

  recording(body: RecordingAction): Promise<unknown> {
    return this.#post("recording", body);
  }

  /** The recordings in the server's folder, the newest first, and where that folder is. */
  recordings(): Promise<unknown> {
    return this.#request("recordings", {});
  }

  /** Where a recording can be downloaded, with the token, as a link cannot send it otherwise. */
  recordingAddress(name: string): string {
    const { http, token } = this.address;
    return `${http}api/v1/recordings/${encodeURIComponent(name)}${token === null ? "" : `?token=${encodeURIComponent(token)}`}`;
  }

  device(body: DeviceAction, device = 0): Promise<unknown> {
    return this.#post("device", forDevice(body, device));
  }

  #post(path: string, body: object): Promise<unknown> {
    return this.#request(path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
  }

  async #request(path: string, init: RequestInit): Promise<unknown> {
    const response = await this.fetcher(`${this.address.http}api/v1/${path}`, {
      ...init,
      cache: "no-store",
      headers: { ...this.address.headers, ...(init.headers as Record<string, string> | undefined) },
    });
    const body: unknown = await response.json().catch(() => null);
    if (!response.ok) throw refusal(response, body);
    return body;
  }
}

function forArmband(path: string, device: number): string {
  return device === 0 ? path : `${path}?device=${device}`;
}

function forDevice(body: object, device: number): object {
  return device === 0 ? body : { ...body, device };
}

function refusal(response: Response, body: unknown): ApiError {
  const error = (body as { error?: Partial<ServerError> } | null)?.error;
  return new ApiError(
    response.status,
    error?.code ?? "unknown",
    error?.message ?? `the server answered ${response.status} ${response.statusText}`.trim(),
  );
}
