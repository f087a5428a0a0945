// Which languages are chosen: shown, changed, and remembered.

import { DETECT, prepare, shown } from "./languages.js";
import { Picker } from "./picker.js";
import { recall, remember } from "./settings.js";

const MOST_TARGETS = 8; // what a gateway takes

export class Choices {
  #byCode;
  #sourcePicker;
  #targets;
  #source;
  #changed;

  /**
   * @param {object} config of the server. @param {() => void} changed called after every change.
   */
  constructor(config, changed) {
    const languages = prepare(config.languages);
    this.#byCode = new Map([DETECT, ...languages].map((language) => [language.code, language]));
    this.#changed = changed;
    const heard = [DETECT, ...languages.filter((language) => language.heard)];
    const find = (id) => document.getElementById(id);
    this.#sourcePicker = new Picker(find("source-input"), find("source-list"), heard, (one) => this.#hear(one));
    new Picker(find("target-input"), find("target-list"), languages, (one) => this.#add(one));
    this.#source = this.#known(recall("source")) ?? config.source;
    const targets = recall("targets")?.split(",").filter((code) => this.#known(code)) ?? config.targets;
    this.#targets = [...targets];
    this.#draw();
  }

  /** As a session wants them. */
  get languages() {
    return { source: this.#source, targets: [...this.#targets] };
  }

  /** The name of a language by its code. */
  name(code) {
    const language = this.#byCode.get(code);
    return language ? language.native : code;
  }

  #known(code) {
    return this.#byCode.has(code) ? code : undefined;
  }

  #hear({ code }) {
    this.#source = code;
    this.#keep();
  }

  #add({ code }) {
    if (this.#targets.includes(code) || this.#targets.length === MOST_TARGETS) return;
    this.#targets.push(code);
    this.#keep();
  }

  #remove(code) {
    this.#targets = this.#targets.filter((one) => one !== code);
    this.#keep();
    document.getElementById("target-input").focus();
  }

  #keep() {
    remember("source", this.#source);
    remember("targets", this.#targets.join(","));
    this.#draw();
    this.#changed();
  }

  #draw() {
    this.#sourcePicker.show(this.#byCode.get(this.#source));
    const chips = this.#targets.map((code) => {
      const item = document.createElement("li");
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = this.name(code);
      button.setAttribute("aria-label", `Remove ${shown(this.#byCode.get(code))}`);
      button.addEventListener("click", () => this.#remove(code));
      item.append(button);
      return item;
    });
    document.getElementById("chosen").replaceChildren(...chips);
  }
}
