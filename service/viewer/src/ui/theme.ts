/** Dark or light theme: the system's until the user chooses one. */

import type { StripTheme } from "../emg/stripChart";
import type { SceneTheme } from "../scene/handScene";

export type ThemeName = "dark" | "light";

const STORAGE_KEY = "myocast.theme";

export const CHANNEL_COLORS: readonly string[] = [
  "#4fd1b5", "#5bc0eb", "#7d9bff", "#b08cff", "#ef7fc1", "#ff7f72", "#f5a65b", "#d9c84a",
];
const LIGHT_CHANNEL_COLORS: readonly string[] = [
  "#0b8f76", "#1478a8", "#3f5bd6", "#7a46cf", "#b8327f", "#c8392b", "#b8640f", "#86780a",
];

const SCENES: Record<ThemeName, SceneTheme> = {
  dark: {
    gridColor: "#6f8397", gridOpacity: 0.34, shadowOpacity: 0.62,
    truthColor: "#58b6ff", ghostColor: "#4fd1b5", skyColor: "#dfe9f5", floorColor: "#4a3f3a",
  },
  light: {
    gridColor: "#7d8d9c", gridOpacity: 0.42, shadowOpacity: 0.3,
    truthColor: "#1f7fd1", ghostColor: "#087a65", skyColor: "#ffffff", floorColor: "#b9a79c",
  },
};

/** Sets the page's theme and notifies listeners when it changes. */
export class Theme {
  private readonly system = matchMedia("(prefers-color-scheme: light)");
  private readonly listeners: ((name: ThemeName) => void)[] = [];

  constructor() {
    this.system.addEventListener("change", () => this.apply());
    this.apply();
  }

  get name(): ThemeName {
    const chosen = localStorage.getItem(STORAGE_KEY);
    if (chosen === "dark" || chosen === "light") return chosen;
    return this.system.matches ? "light" : "dark";
  }

  toggle(): void {
    localStorage.setItem(STORAGE_KEY, this.name === "dark" ? "light" : "dark");
    this.apply();
  }

  onChange(listener: (name: ThemeName) => void): void {
    this.listeners.push(listener);
  }

  get scene(): SceneTheme {
    return SCENES[this.name];
  }

  get strips(): StripTheme {
    const style = getComputedStyle(document.documentElement);
    return {
      text: style.getPropertyValue("--soft"),
      baseline: style.getPropertyValue("--edge"),
      channels: this.name === "dark" ? CHANNEL_COLORS : LIGHT_CHANNEL_COLORS,
    };
  }

  private apply(): void {
    document.documentElement.dataset.theme = this.name;
    for (const listener of this.listeners) listener(this.name);
  }
}
