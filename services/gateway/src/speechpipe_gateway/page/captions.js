// The transcript on the page: a row for each segment, the newest in sight unless the reader has scrolled away.

import { clock } from "./subtitles.js";

const NEAR = 80; // pixels from the end that still count as reading the newest
const ANNOUNCED = 30; // finished captions that stay where screen readers listen

export class Captions {
  #rows = new Map();
  #list = document.getElementById("segments");
  #scroller = document.getElementById("captions");
  #latest = document.getElementById("latest");
  #announce = document.getElementById("announce");
  #empty = document.getElementById("empty");
  #name;
  #follows = true;

  /** @param {(code: string) => string} name of a language. */
  constructor(name) {
    this.#name = name;
    this.#scroller.addEventListener("scroll", () => this.#scrolled());
    this.#latest.addEventListener("click", () => this.#toEnd());
    new ResizeObserver(() => this.#follows && this.#toEnd()).observe(this.#scroller);
  }

  /** Draw what changed of a segment. @param {object} segment @param {object[]} all segments in order. */
  draw(segment, all) {
    const place = all.indexOf(segment);
    if (place < 0) {
      this.#rows.get(segment.key)?.remove();
      this.#rows.delete(segment.key);
      return;
    }
    this.#empty.hidden = true;
    const row = this.#rows.get(segment.key) ?? this.#insert(segment, all[place + 1]);
    fill(row, segment, this.#name);
    if (segment.final && !row.dataset.final) this.#finished(row, segment);
    if (this.#follows) this.#toEnd();
    else this.#latest.hidden = false;
  }

  #insert(segment, next) {
    const row = document.createElement("li");
    row.className = "segment";
    this.#rows.set(segment.key, row);
    this.#list.insertBefore(row, next ? (this.#rows.get(next.key) ?? null) : null);
    return row;
  }

  #finished(row, segment) {
    row.dataset.final = "true";
    const line = element("p", "", segment.text);
    if (segment.language) line.lang = segment.language;
    this.#announce.append(line);
    if (this.#announce.childElementCount > ANNOUNCED) this.#announce.firstElementChild.remove();
  }

  #scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
    this.#follows = scrollHeight - scrollTop - clientHeight < NEAR;
    if (this.#follows) this.#latest.hidden = true;
  }

  #toEnd() {
    this.#follows = true;
    this.#latest.hidden = true;
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
  }
}

function fill(row, segment, name) {
  const said = element("p", "said");
  said.dir = "auto";
  if (segment.language) said.lang = segment.language;
  if (segment.failed) said.append(element("span", "failed", "These words could not be transcribed."));
  else said.append(...spans(segment));
  const parts = [element("time", "", segment.final ? clock(segment.start).slice(0, 8) : "…"), said];
  if (segment.translations.size) parts.push(translations(segment, name));
  row.classList.toggle("translated", segment.translations.size > 0);
  row.classList.toggle("goes-on", segment.continues);
  row.replaceChildren(...parts);
}

/** Settled words solid, words that may still change grey. */
export function spans({ committed, tail }) {
  return [element("span", "committed", committed), element("span", "tail", tail)];
}

function translations(segment, name) {
  const box = element("div", "translations");
  // In the same order in every row, whichever came first.
  for (const [language, { text, final, failed }] of [...segment.translations].sort()) {
    const line = element("p", failed ? "failed" : `translation${final ? "" : " open"}`);
    if (segment.translations.size > 1) line.append(element("span", "tongue", name(language)));
    const words = element("span", "", failed ? `Not translated into ${name(language)}.` : text);
    if (!failed) words.lang = language;
    words.dir = "auto";
    line.append(words);
    box.append(line);
  }
  return box;
}

export function element(tag, className = "", text = "") {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}
