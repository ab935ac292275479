/** Dark and light: the system's choice until the person makes one. */

import type { StripTheme } from "../emg/strips";
import type { RoomTheme } from "../stage/stage";

export type ThemeName = "dark" | "light";

const KEY = "myocast.theme";

export const CHANNEL_COLORS: readonly string[] = [
  "#4fd1b5", "#5bc0eb", "#7d9bff", "#b08cff", "#ef7fc1", "#ff7f72", "#f5a65b", "#d9c84a",
];
const LIGHT_CHANNEL_COLORS: readonly string[] = [
  "#0b8f76", "#1478a8", "#3f5bd6", "#7a46cf", "#b8327f", "#c8392b", "#b8640f", "#86780a",
];

const ROOMS: Record<ThemeName, RoomTheme> = {
  dark: { line: "#6f8397", grid: 0.34, shadow: 0.62, ghost: "#58b6ff", sky: "#dfe9f5", floor: "#4a3f3a" },
  light: { line: "#7d8d9c", grid: 0.42, shadow: 0.3, ghost: "#1f7fd1", sky: "#ffffff", floor: "#b9a79c" },
};

/** Tells everyone who listens when the theme changes. */
export class Theme {
  private readonly system = matchMedia("(prefers-color-scheme: light)");
  private readonly listeners: ((name: ThemeName) => void)[] = [];

  constructor() {
    this.system.addEventListener("change", () => this.apply());
    this.apply();
  }

  get name(): ThemeName {
    const chosen = localStorage.getItem(KEY);
    if (chosen === "dark" || chosen === "light") return chosen;
    return this.system.matches ? "light" : "dark";
  }

  toggle(): void {
    localStorage.setItem(KEY, this.name === "dark" ? "light" : "dark");
    this.apply();
  }

  onChange(listener: (name: ThemeName) => void): void {
    this.listeners.push(listener);
  }

  get room(): RoomTheme {
    return ROOMS[this.name];
  }

  get strips(): StripTheme {
    const style = getComputedStyle(document.documentElement);
    return {
      text: style.getPropertyValue("--soft"),
      rule: style.getPropertyValue("--edge"),
      channels: this.name === "dark" ? CHANNEL_COLORS : LIGHT_CHANNEL_COLORS,
    };
  }

  private apply(): void {
    document.documentElement.dataset.theme = this.name;
    for (const listener of this.listeners) listener(this.name);
  }
}
