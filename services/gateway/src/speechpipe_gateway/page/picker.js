// A text field that finds a language: the combobox of the ARIA Authoring Practices, with a list that narrows as one types.

import { search, shown } from "./languages.js";

export class Picker {
  #input;
  #list;
  #languages;
  #choose;
  #current = null; // what the field shows while nobody types; null: it stays empty
  #matches = [];
  #active = -1;

  /**
   * @param {HTMLInputElement} input @param {HTMLUListElement} list
   * @param {object[]} languages @param {(language: object) => void} choose
   */
  constructor(input, list, languages, choose) {
    this.#input = input;
    this.#list = list;
    this.#languages = languages;
    this.#choose = choose;
    input.addEventListener("focus", () => input.select());
    input.addEventListener("click", () => this.#open(""));
    input.addEventListener("input", () => this.#open(input.value));
    input.addEventListener("keydown", (event) => this.#key(event));
    input.addEventListener("blur", () => this.#close());
    list.addEventListener("mousedown", (event) => event.preventDefault()); // the field keeps the focus
    list.addEventListener("click", (event) => {
      const item = event.target.closest("[role=option]");
      if (item) this.#take(this.#matches[Number(item.dataset.index)]);
    });
  }

  /** Show this language as the one that is chosen. */
  show(language) {
    this.#current = language;
    this.#input.value = shown(language);
  }

  get #isOpen() {
    return !this.#list.hidden;
  }

  #open(typed) {
    this.#matches = search(this.#languages, typed);
    this.#list.replaceChildren(...this.#matches.map((language, index) => this.#item(language, index)));
    if (this.#matches.length === 0) this.#list.append(nothing(typed));
    this.#list.hidden = false;
    this.#input.setAttribute("aria-expanded", "true");
    const current = this.#matches.indexOf(this.#current);
    this.#activate(typed ? 0 : Math.max(current, 0));
  }

  #item(language, index) {
    const item = document.createElement("li");
    item.id = `${this.#list.id}-${index}`;
    item.setAttribute("role", "option");
    item.setAttribute("aria-selected", String(language === this.#current));
    item.dataset.index = index;
    item.textContent = shown(language);
    return item;
  }

  #close() {
    this.#list.hidden = true;
    this.#active = -1;
    this.#input.setAttribute("aria-expanded", "false");
    this.#input.removeAttribute("aria-activedescendant");
    this.#input.value = this.#current ? shown(this.#current) : "";
  }

  #take(language) {
    this.#close();
    this.#choose(language);
    this.#input.select();
  }

  #activate(index) {
    this.#list.querySelector(".active")?.classList.remove("active");
    if (this.#matches.length === 0) return;
    this.#active = (index + this.#matches.length) % this.#matches.length;
    const item = this.#list.children[this.#active];
    item.classList.add("active");
    item.scrollIntoView({ block: "nearest" });
    this.#input.setAttribute("aria-activedescendant", item.id);
  }

  #key(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      event.preventDefault();
      if (this.#isOpen) this.#activate(this.#active + step);
      else this.#open("");
    } else if (event.key === "Enter" && this.#isOpen && this.#matches.length) {
      event.preventDefault();
      this.#take(this.#matches[this.#active]);
    } else if (event.key === "Escape" && this.#isOpen) {
      event.preventDefault();
      this.#close();
    }
  }
}

function nothing(typed) {
  const item = document.createElement("li");
  item.className = "none";
  item.setAttribute("role", "option");
  item.setAttribute("aria-disabled", "true");
  item.textContent = `No language is called “${typed}”`;
  return item;
}
