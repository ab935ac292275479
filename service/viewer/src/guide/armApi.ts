/** The requests of the guide about the selected armband. Which of them a server knows is asked first. */

import { ApiError, type Api, type Client } from "@myocast/client";

export interface ModelEntry {
  name: string;
  fits: boolean;
  personal: boolean;
  used_by: readonly number[];
}

export type Part = "alignment" | "personal" | "models";

export class ArmApi {
  constructor(
    private readonly client: () => Client,
    private readonly device: () => number,
  ) {}

  /** Whether the server has this part; an older one does not. */
  async has(part: Part): Promise<boolean> {
    try {
      await this.api[part]();
      return true;
    } catch (error) {
      if (error instanceof ApiError) return false;
      throw error;
    }
  }

  alignment(action: "start" | "cancel" | "reset"): Promise<unknown> {
    return this.api.alignment({ action }, this.device());
  }

  personal(action: "start" | "stop" | "discard"): Promise<unknown> {
    return this.api.personal({ action }, this.device());
  }

  /** Learn from prompts: a ghost hand that the wearer follows. */
  followPrompts(): Promise<unknown> {
    return this.api.personal({ action: "start", labels: "prompts" }, this.device());
  }

  keep(name: string): Promise<unknown> {
    return this.api.personal({ action: "keep", name }, this.device());
  }

  /** The models that can be chosen. */
  async models(): Promise<readonly ModelEntry[]> {
    return ((await this.api.models(this.device())) as { models: readonly ModelEntry[] }).models;
  }

  useModel(name: string): Promise<unknown> {
    return this.api.useModel(name, this.device());
  }

  private get api(): Api {
    return this.client().api;
  }
}
