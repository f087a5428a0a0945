// Single keys, for hands that stay on the keyboard; they can be switched off, since dictation software types letters.

import { element } from "./captions.js";
import { recall, remember } from "./settings.js";

/** @param {{keys: string[], name: string, what: string, run: () => void}[]} shortcuts */
export function listen(shortcuts) {
  const use = document.getElementById("use-shortcuts");
  use.checked = recall("shortcuts") !== "off";
  use.addEventListener("change", () => remember("shortcuts", use.checked ? "on" : "off"));
  document
    .getElementById("shortcuts")
    .append(...shortcuts.flatMap(({ name, what }) => [element("dt", "", name), element("dd", "", what)]));
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.repeat || !use.checked || isTaken(event)) return;
    const found = shortcuts.find(({ keys }) => keys.includes(event.key.toLowerCase()));
    if (!found) return;
    event.preventDefault();
    found.run();
  });
}

/** Keys that belong to what has the focus. */
function isTaken(event) {
  if (document.querySelector("dialog[open]")) return true;
  const { target } = event;
  if (target.matches("select, textarea, [role=combobox], input[type=text], input[type=password]")) return true;
  return event.key === " " && target.matches("button, input, summary, a");
}
