/** *Use*: the model that runs, others to choose, and what to do when the hand does not follow. */

import { setHidden, setText } from "../ui/dom";
import type { ModelEntry } from "./armApi";
import { make } from "./dom";
import type { GuideContext, Step } from "./step";

export class UseStep implements Step {
  readonly name = "use";
  readonly title = "Use";
  private readonly model = make("p", { className: "verdict" });
  private readonly choice = make("select", { id: "guide-model" });
  private readonly chooser = make("p", { className: "row" }, make("label", { htmlFor: "guide-model", textContent: "Model" }), this.choice);
  private readonly error = make("p", { className: "error" });
  readonly body = make(
    "div", {},
    this.model, this.chooser, this.error,
    make("h3", { textContent: "When the hand does not follow" }),
    make(
      "ol", {},
      make("li", {}, "Check: is every channel good?"),
      make("li", {}, "Align: the band moves a little each time it is put on, and while it is worn."),
      make("li", {}, "Teach: a minute with the webcam, in all the positions in which you use the hand."),
    ),
  );
  private loadedFor: string | null = null;

  constructor(private readonly context: GuideContext) {
    this.choice.addEventListener("change", () => void this.choose(this.choice.value));
  }

  available(): boolean {
    return true;
  }

  show(): void {
    const name = this.context.device().entry.model?.name ?? null;
    setText(this.model, name ? `The hand follows the model ${name}.` : "No model fits this armband yet.");
    setHidden(this.chooser, !this.context.has("models"));
    setHidden(this.error, this.error.textContent === "");
    const key = `${this.context.deviceIndex()} ${name ?? ""}`;
    if (!this.context.has("models") || key === this.loadedFor) return;
    this.loadedFor = key;
    void this.load();
  }

  leave(): void {
    this.loadedFor = null;
  }

  private async load(): Promise<void> {
    try {
      this.fill((await this.context.api.models()).filter((model) => model.fits));
    } catch (error) {
      setText(this.error, String(error));
    }
  }

  private fill(models: readonly ModelEntry[]): void {
    const device = this.context.deviceIndex();
    this.choice.replaceChildren(
      ...models.map((model) => new Option(model.personal ? `${model.name} (personal)` : model.name, model.name)),
    );
    this.choice.value = models.find((model) => model.used_by.includes(device))?.name ?? "";
  }

  private async choose(name: string): Promise<void> {
    setText(this.error, "");
    try {
      await this.context.api.useModel(name);
    } catch (error) {
      setText(this.error, error instanceof Error ? error.message : String(error));
    }
    this.show();
  }
}
