/** *Use*: the model that runs, others to choose, and what to do when the hand does not follow. */

import { docsAddress } from "../ui/docsLink";
import { setHidden, setText } from "../ui/dom";
import type { ModelEntry } from "./armApi";
import { make } from "./dom";
import { failureText } from "./missing";
import type { GuideContext, Step } from "./step";

export class UseStep implements Step {
  readonly name = "use";
  readonly title = "Use";
  readonly needsSignal = false;
  private readonly model = make("p", { className: "verdict" });
  private readonly choice = make("select", { id: "guide-model" });
  private readonly chooser = make("p", { className: "row" }, make("label", { htmlFor: "guide-model", textContent: "Model" }), this.choice);
  private readonly link = make("a", { textContent: "Which models there are, and how to make one" });
  private readonly linkRow = make("p", {}, this.link);
  private readonly error = make("p", { className: "error" });
  readonly body = make(
    "div", {},
    this.model, this.linkRow, this.chooser, this.error,
    make("h3", { textContent: "When the hand does not follow" }),
    make(
      "ol", {},
      make("li", {}, "Check: is every channel good?"),
      make("li", {}, "Align: the band moves a little each time it is put on, and while it is worn."),
      make("li", {}, "Teach: a minute with the webcam or the green hand, in all the positions in which you use the hand."),
    ),
  );
  private loadedFor: string | null = null;

  constructor(private readonly context: GuideContext) {
    this.link.addEventListener("click", () => {
      // The token may have changed since the page was loaded.
      this.link.href = docsAddress(this.context.client().address.token, "models");
    });
    this.link.href = docsAddress(null, "models");
    this.choice.addEventListener("change", () => void this.choose(this.choice.value));
  }

  available(): boolean {
    return true;
  }

  show(): void {
    const name = this.context.device().entry.model?.name ?? null;
    setText(this.model, name ? `The hand follows the model ${name}.` : "No model fits this armband yet.");
    setHidden(this.linkRow, name !== null);
    setHidden(this.chooser, !this.context.has("models") || this.choice.options.length === 0);
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
      setText(this.error, failureText(error));
    }
  }

  private fill(models: readonly ModelEntry[]): void {
    const device = this.context.deviceIndex();
    this.choice.replaceChildren(
      ...models.map((model) => new Option(model.personal ? `${model.name} (personal)` : model.name, model.name)),
    );
    this.choice.value = models.find((model) => model.used_by.includes(device))?.name ?? "";
    setHidden(this.chooser, models.length === 0);
  }

  private async choose(name: string): Promise<void> {
    setText(this.error, "");
    try {
      await this.context.api.useModel(name);
    } catch (error) {
      setText(this.error, failureText(error));
    }
    this.show();
  }
}
