/** The names of armband and model, and the tabs that select one of several armbands. */

import type { DeviceState, Store } from "../store";
import { element, setHidden, setText } from "./dom";

export class DevicesView {
  private readonly device = element<HTMLElement>("device-name");
  private readonly model = element<HTMLElement>("model-name");
  private readonly tabs = element<HTMLElement>("devices");

  constructor(
    private readonly store: Store,
    private readonly onSelect: (index: number) => void,
  ) {}

  show(): void {
    const { entry } = this.store.current;
    const name = entry.device ? entry.device.name || entry.device.uri : "–";
    setText(this.device, name);
    this.device.title = entry.device ? `${entry.device.uri} · ${entry.device.hand} hand` : "";
    setText(this.model, entry.model?.name ?? (entry.device ? "none" : "–"));
    this.model.title = entry.model
      ? `${entry.model.parameters.toLocaleString("en")} parameters, ${entry.model.sha256.slice(0, 12)}`
      : "";
    document.title = entry.device ? `${name} · Myocast` : "Myocast";
    this.showTabs();
  }

  private showTabs(): void {
    const { devices, selected } = this.store;
    setHidden(this.tabs, devices.length < 2);
    while (this.tabs.children.length > devices.length) this.tabs.lastElementChild?.remove();
    while (this.tabs.children.length < devices.length) this.addTab(this.tabs.children.length);
    devices.forEach((_device, i) => {
      const tab = this.tabs.children[i];
      setText(tab, tabName(devices, i));
      tab.setAttribute("aria-pressed", String(i === selected));
    });
  }

  private addTab(index: number): void {
    const tab = document.createElement("button");
    tab.type = "button";
    tab.addEventListener("click", () => this.onSelect(index));
    this.tabs.append(tab);
  }
}

/** The armband's name, with its number where two have the same. */
function tabName(devices: readonly DeviceState[], index: number): string {
  const name = devices[index].entry.device?.name || "Armband";
  const unique = devices.every((other, i) => i === index || other.entry.device?.name !== name);
  return unique && name !== "Armband" ? name : `${name} ${index + 1}`;
}
