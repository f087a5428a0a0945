// What the page remembers. Languages and looks outlive the tab; a key only lives as long as it, and only where asked.

const PREFIX = "speechpipe.";

/** What was remembered under a name, or undefined. */
export function recall(name, storage = window.localStorage) {
  try {
    return storage.getItem(PREFIX + name) ?? undefined;
  } catch {
    return undefined; // a browser that keeps nothing
  }
}

/** Remember a text under a name; undefined forgets it. */
export function remember(name, value, storage = window.localStorage) {
  try {
    if (value === undefined) storage.removeItem(PREFIX + name);
    else storage.setItem(PREFIX + name, value);
  } catch {
    // The page works without.
  }
}

const SIZES = ["0.9rem", "1.05rem", "1.25rem", "1.5rem", "1.85rem", "2.3rem", "3rem"];
const USUAL = 2;

/** Size of the captions, and dark or light; both are remembered. */
export class Looks {
  #size = clamp(Number(recall("size") ?? USUAL));

  constructor() {
    document.documentElement.style.setProperty("--size", SIZES[this.#size]);
    const theme = recall("theme");
    if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
  }

  resize(step) {
    this.#size = clamp(this.#size + step);
    document.documentElement.style.setProperty("--size", SIZES[this.#size]);
    remember("size", String(this.#size));
  }

  toggleTheme() {
    const root = document.documentElement;
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    remember("theme", root.dataset.theme);
  }
}

function clamp(size) {
  return Number.isInteger(size) ? Math.min(SIZES.length - 1, Math.max(0, size)) : USUAL;
}
