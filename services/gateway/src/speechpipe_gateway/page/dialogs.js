// The three dialogs: a key, what to save, and the shortcuts.

import { element } from "./captions.js";
import { recall, remember } from "./settings.js";

const find = (id) => document.getElementById(id);

/** The key that this tab remembers, or "". */
export function rememberedKey() {
  return recall("key", window.sessionStorage) ?? "";
}

/** Ask for a key. @returns {Promise<?string>} null where nobody gives one. */
export function askKey(why) {
  const dialog = find("key-dialog");
  const field = find("key");
  remember("key", undefined, window.sessionStorage);
  find("key-why").textContent = why;
  field.value = "";
  find("key-cancel").onclick = () => dialog.close("");
  dialog.returnValue = "";
  dialog.showModal();
  field.focus();
  return new Promise((resolve) => {
    dialog.onclose = () => {
      const key = dialog.returnValue === "ok" ? field.value.trim() : "";
      field.value = "";
      if (key && find("keep").checked) remember("key", key, window.sessionStorage);
      resolve(key || null);
    };
  });
}

/**
 * Ask what to save.
 * @param {{value: string, label: string}[]} texts what was said, and its translations.
 * @returns {Promise<?{language: string, form: string}>}
 */
export function askSave(texts) {
  const dialog = find("save-dialog");
  const select = find("save-language");
  select.replaceChildren(
    ...texts.map(({ value, label }) => {
      const option = element("option", "", label);
      option.value = value;
      return option;
    }),
  );
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.onclose = () => resolve(dialog.returnValue ? { language: select.value, form: dialog.returnValue } : null);
  });
}

/** Hand a text to the browser as a file. */
export function download(name, text, kind) {
  const url = URL.createObjectURL(new Blob([text], { type: kind }));
  const link = element("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
