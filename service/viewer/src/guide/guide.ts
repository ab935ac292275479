/** The way from a band in the hand to a hand that follows: Put on, Check, Align, Teach, Use. */

import type { Client, Pose } from "@myocast/client";

import type { Store } from "../store";
import { element, setData, setHidden, setText } from "../ui/dom";
import { AlignStep } from "./alignStep";
import { ArmApi, type Part } from "./armApi";
import { CheckStep } from "./checkStep";
import { button, make } from "./dom";
import { loadProgress, saveProgress, type Progress, type StepName } from "./progress";
import { PutOnStep } from "./putOnStep";
import type { GuideContext, Step } from "./step";
import { TeachStep } from "./teachStep";
import { UseStep } from "./useStep";

const PARTS: readonly Part[] = ["alignment", "personal", "models"];

export class Guide {
  private readonly panel = element<HTMLElement>("guide");
  private readonly list = element<HTMLElement>("guide-steps");
  private readonly heading = element<HTMLElement>("guide-heading");
  private readonly body = element<HTMLElement>("guide-body");
  private readonly toggle = element<HTMLElement>("guide-toggle");
  private readonly back = button("Back", () => this.move(-1));
  private readonly skip = button("Skip", () => this.move(1));
  private readonly next = button("Next", () => this.finish(), "solid");
  private readonly steps: readonly Step[];
  private readonly parts = new Set<Part>();
  private progress: Progress = { open: false, step: "put-on", done: [] };
  private uri: string | null = null;
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
    };
    this.api = context.api;
    this.steps = [PutOnStep, CheckStep, AlignStep, TeachStep, UseStep].map((Kind) => new Kind(context));
    element("guide-actions").append(this.back, this.skip, this.next);
    this.toggle.addEventListener("click", () => this.setOpen(!this.progress.open));
    element<HTMLElement>("guide-close").addEventListener("click", () => this.setOpen(false));
    element<HTMLElement>("guide-offer").addEventListener("click", () => this.setOpen(true));
  }

  private readonly api: ArmApi;

  show(): void {
    const { device } = this.store.current.entry;
    if (!this.store.online || !device) return;
    if (device.uri !== this.uri) this.takeDevice(device.uri);
    this.askForParts();
    this.showPanel();
  }

  onPose(pose: Pose): void {
    this.shown?.onPose?.(pose);
  }

  private takeDevice(uri: string): void {
    this.leave();
    this.uri = uri;
    // A band that somebody wears comes first; a recording or a computed arm is watched first.
    this.progress = loadProgress(uri, !/^(demo|replay|synthetic):/.test(uri));
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
    setHidden(element("guide-offer"), open || !/^(demo|synthetic):/.test(this.uri ?? ""));
    if (!open) return this.leave();
    const step = this.current;
    if (step !== this.shown) this.showStep(step);
    this.showList();
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
        ...this.available.map((step) => make("li", {}, button(step.title, () => this.go(step.name), "step"))),
      );
    }
    this.available.forEach((step, i) => {
      const item = this.list.children[i].firstElementChild as HTMLElement;
      if (step === this.shown) item.setAttribute("aria-current", "step");
      else item.removeAttribute("aria-current");
      const done = this.progress.done.includes(step.name);
      setData(item, "done", String(done));
      setText(item, done ? `${step.title} ✓` : step.title);
    });
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
    if (this.uri !== null) saveProgress(this.uri, this.progress);
  }

  private leave(): void {
    this.shown?.leave?.();
    this.shown = null;
  }
}
