// The subtitle view: the last two lines of what was said, and of each translation, on the whole screen.

import { element } from "./captions.js";

const CHARACTERS = 220; // more than two lines of any screen hold

export class Stage {
  #stage = document.getElementById("stage");
  #lines = document.getElementById("stage-lines");
  #before = null;

  constructor() {
    document.getElementById("leave").addEventListener("click", () => this.close());
    document.addEventListener("fullscreenchange", () => {
      if (!document.fullscreenElement) this.#hide();
    });
  }

  get isOpen() {
    return !this.#stage.hidden;
  }

  async open() {
    this.#before = document.activeElement;
    this.#stage.hidden = false;
    document.getElementById("leave").focus();
    try {
      await this.#stage.requestFullscreen();
      if (!this.isOpen) await document.exitFullscreen(); // closed again before the screen was full
    } catch {
      // Where a browser has no full screen, the view fills the window.
    }
  }

  close() {
    if (document.fullscreenElement) document.exitFullscreen();
    this.#hide();
  }

  /** @param {object[]} segments in order. @param {string[]} targets languages that are translated into now. */
  draw(segments, targets) {
    if (!this.isOpen) return;
    const recent = segments.filter((segment) => segment.text).slice(-6);
    const lines = [this.#said(recent), ...targets.map((target) => this.#translated(recent, target))];
    this.#lines.replaceChildren(...lines.filter(Boolean));
  }

  #said(recent) {
    const tail = recent.at(-1)?.tail ?? "";
    const settled = recent.map(({ committed }) => committed.trim()).join(" ");
    const last = recent.at(-1);
    const gap = last?.tail && !last.committed && recent.length > 1 ? " " : "";
    return line(last?.language, element("span", "", ending(settled)), element("span", "tail", gap + tail));
  }

  #translated(recent, target) {
    const text = recent.map((segment) => segment.translations.get(target)?.text ?? "").filter(Boolean).join(" ");
    return text ? line(target, element("span", "", ending(text))) : null;
  }

  #hide() {
    if (!this.isOpen) return;
    document.activeElement?.blur(); // a key that comes at once must not press a button that is not seen any more
    this.#stage.hidden = true;
    this.#before?.focus();
  }
}

function line(language, ...parts) {
  const made = element("div", "stage-line");
  const words = element("p");
  words.dir = "auto";
  if (language) words.lang = language;
  words.append(...parts);
  made.append(words);
  return made;
}

/** The end of a text, from a word's beginning on where it has spaces. */
function ending(text) {
  if (text.length <= CHARACTERS) return text;
  const cut = text.slice(-CHARACTERS);
  const space = cut.indexOf(" ");
  return space >= 0 && space < 30 ? cut.slice(space + 1) : cut;
}
