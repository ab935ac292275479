/** The way from a band in the hand to a hand that follows: Put on, Check, Align, Teach, Use. */

import type { Client, Pose } from "@myocast/client";

import type { Store } from "../store";
import { element, setData, setHidden, setText } from "../ui/dom";
import { AlignStep } from "./alignStep";
import { ArmApi, type Part } from "./armApi";
import { CheckStep } from "./checkStep";
import { button, make } from "./dom";
import { missingPart } from "./missing";
import { hasProgress, loadProgress, saveProgress, type Progress, type StepName } from "./progress";
import { PutOnStep } from "./putOnStep";
import type { GuideContext, Step } from "./step";
import { TeachStep } from "./teachStep";
import { UseStep } from "./useStep";

const PARTS: readonly Part[] = ["alignment", "personal", "models"];

export class Guide {
  private readonly panel = element<HTMLElement>("guide");
  private readonly list = element<HTMLElement>("guide-steps");
  private readonly heading = element<HTMLElement>("guide-heading");
  private readonly missing = element<HTMLElement>("guide-missing");
  private readonly body = element<HTMLElement>("guide-body");
  private readonly toggle = element<HTMLElement>("guide-toggle");
  private readonly back = button("Back", () => this.move(-1));
  private readonly skip = button("Skip", () => this.move(1));
  private readonly next = button("Next", () => this.finish(), "solid");
  private readonly steps: readonly Step[];
  private readonly parts = new Set<Part>();
  private progress: Progress = { open: false, step: "put-on", done: [] };
  /** The armband whose steps are shown, by its index and address. */
  private armband: string | null = null;
  /** Whether the steps are offered beside the hand, as they do not open by themselves. */
  private offers = false;
  private askedFor = "";
  private shown: Step | null = null;

  constructor(
    private readonly store: Store,
    client: () => Client,
  ) {
    const context: GuideContext = {
      api: new ArmApi(client, () => store.selected),
      client,
      device: () => store.current,
      deviceIndex: () => store.selected,
      has: (part) => this.parts.has(part),
      status: () => store.current.status,
      session: () => store.hello?.session ?? "",
    };
    this.api = context.api;
    this.steps = [PutOnStep, CheckStep, AlignStep, TeachStep, UseStep].map((Kind) => new Kind(context));
    element("guide-actions").prepend(this.back, this.skip, this.next);
    this.toggle.addEventListener("click", () => this.toggleOpen());
    element<HTMLElement>("guide-close").addEventListener("click", () => this.setOpen(false));
    element<HTMLElement>("guide-offer").addEventListener("click", () => this.setOpen(true));
  }

  private readonly api: ArmApi;

  show(): void {
    if (this.store.online) {
      // The address is not known before the armband is found.
      const uri = this.store.current.entry.device?.uri ?? "";
      const armband = `${this.store.selected} ${uri}`;
      if (armband !== this.armband) this.takeArmband(armband, uri);
      this.askForParts();
      this.leadToLabels();
    }
    if (this.armband !== null) this.showPanel();
  }

  toggleOpen(): void {
    if (this.armband !== null) this.setOpen(!this.progress.open);
  }

  onPose(pose: Pose): void {
    this.shown?.onPose?.(pose);
  }

  private takeArmband(armband: string, uri: string): void {
    this.leave();
    this.armband = armband;
    this.offers = /^(demo|synthetic):/.test(uri);
    // A band that somebody wears comes first; a recording or a computed arm is watched first.
    this.progress = loadProgress(armband, uri !== "" && !/^(demo|replay|synthetic):/.test(uri));
  }

  /** A recording with labels that has just begun opens the step that gives them. */
  private leadToLabels(): void {
    const labels = this.store.current.status?.labels;
    if (!labels || this.armband === null || hasProgress(this.armband)) return;
    if (labels.state !== "waiting" && labels.prompt === null) return;
    this.progress = { open: true, step: "teach", done: [] };
    this.save();
  }

  /** Ask once per server process which parts it has. */
  private askForParts(): void {
    const session = this.store.hello?.session ?? "";
    if (session === this.askedFor) return;
    this.askedFor = session;
    for (const part of PARTS) void this.askForPart(part);
  }

  private async askForPart(part: Part): Promise<void> {
    try {
      if (await this.api.has(part)) this.parts.add(part);
      else this.parts.delete(part);
    } catch {
      // The connection is gone: the next hello asks again.
      this.askedFor = "";
    }
    this.showPanel();
  }

  private showPanel(): void {
    const { open } = this.progress;
    setHidden(this.panel, !open);
    this.toggle.setAttribute("aria-expanded", String(open));
    setData(this.toggle, "on", String(open));
    setHidden(element("guide-offer"), open || !this.offers);
    if (!open) return this.leave();
    const step = this.current;
    if (step !== this.shown) this.showStep(step);
    this.showList();
    setText(this.missing, missingPart(this.store, step.needsSignal) ?? "");
    setHidden(this.missing, this.missing.textContent === "");
    setHidden(this.back, this.available[0] === step);
    const last = this.available.at(-1) === step;
    setHidden(this.skip, last);
    setText(this.next, last ? "Done" : "Next");
    step.show();
  }

  private showStep(step: Step): void {
    const moved = this.shown !== null;
    this.leave();
    this.shown = step;
    setText(this.heading, step.title);
    this.body.replaceChildren(step.body);
    // After a step the focus goes to the heading of the next one, so that the keyboard and screen readers go on there.
    if (moved) this.heading.focus();
  }

  private showList(): void {
    const names = this.available.map((step) => step.name).join();
    if (this.list.dataset.names !== names) {
      this.list.dataset.names = names;
      this.list.replaceChildren(
        ...this.available.map((step) => make("li", {}, this.stepButton(step))),
      );
    }
    this.available.forEach((step, i) => {
      const item = this.list.children[i].firstElementChild as HTMLElement;
      if (step === this.shown) item.setAttribute("aria-current", "step");
      else item.removeAttribute("aria-current");
      const done = this.progress.done.includes(step.name);
      setData(item, "done", String(done));
      setText(item.firstElementChild as Element, done ? "✓" : String(i + 1));
      setText(item.lastElementChild as Element, done ? ", finished" : "");
    });
  }

  private stepButton(step: Step): HTMLButtonElement {
    const item = button("", () => this.go(step.name), "step");
    const mark = make("i");
    mark.setAttribute("aria-hidden", "true");
    item.append(mark, make("span", { textContent: step.title }), make("span", { className: "hidden" }));
    return item;
  }

  private get available(): readonly Step[] {
    return this.steps.filter((step) => step.available());
  }

  private get current(): Step {
    return this.available.find((step) => step.name === this.progress.step) ?? this.available[0];
  }

  private move(by: number): void {
    const { available } = this;
    const to = available[available.indexOf(this.current) + by];
    if (to) this.go(to.name);
  }

  private finish(): void {
    const { name } = this.current;
    if (!this.progress.done.includes(name)) this.progress.done.push(name);
    if (this.available.at(-1) === this.current) this.setOpen(false);
    else this.move(1);
  }

  private go(step: StepName): void {
    this.progress.step = step;
    this.save();
    this.showPanel();
  }

  private setOpen(open: boolean): void {
    this.progress.open = open;
    this.save();
    this.showPanel();
    if (open) this.heading.focus();
    else this.toggle.focus();
  }

  private save(): void {
    if (this.armband !== null) saveProgress(this.armband, this.progress);
  }

  private leave(): void {
    this.shown?.leave?.();
    this.shown = null;
  }
}
