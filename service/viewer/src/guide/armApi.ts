/** The requests of the guide. Which of them a server knows is asked first: an older one lacks some. */

import { ApiError, type Client } from "@myocast/client";

export interface ModelEntry {
  name: string;
  fits: boolean;
  personal: boolean;
  used_by: readonly number[];
}

export type Part = "alignment" | "personal" | "models";

/** Requests about one armband. */
export class ArmApi {
  constructor(
    private readonly client: () => Client,
    private readonly device: () => number,
  ) {}

  /** Whether the server has this part. */
  async has(part: Part): Promise<boolean> {
    try {
      await this.request(part);
      return true;
    } catch (error) {
      if (error instanceof ApiError) return false;
      throw error;
    }
  }

  alignment(action: "start" | "cancel" | "reset"): Promise<unknown> {
    return this.request("alignment", { action });
  }

  personal(action: "start" | "stop" | "discard"): Promise<unknown> {
    return this.request("personal", { action });
  }

  keep(name: string): Promise<unknown> {
    return this.request("personal", { action: "keep", name });
  }

  async models(): Promise<readonly ModelEntry[]> {
    return ((await this.request("models")) as { models: readonly ModelEntry[] }).models;
  }

  useModel(name: string): Promise<unknown> {
    return this.request("model", { action: "use", name });
  }

  private async request(path: string, body?: object): Promise<unknown> {
    const { address } = this.client();
    const device = this.device();
    const query = !body && device > 0 ? `?device=${device}` : "";
    const response = await fetch(`${address.http}api/v1/${path}${query}`, {
      cache: "no-store",
      headers: { ...address.headers, ...(body ? { "Content-Type": "application/json" } : {}) },
      ...(body ? { method: "POST", body: JSON.stringify({ ...body, device }) } : {}),
    });
    const answer: unknown = await response.json().catch(() => null);
    if (response.ok) return answer;
    const error = (answer as { error?: { code: string; message: string } } | null)?.error;
    throw new ApiError(response.status, error?.code ?? "unknown", error?.message ?? `status ${response.status}`);
  }
}
