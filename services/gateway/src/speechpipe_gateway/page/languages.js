// Languages as people look for them: by their own name, their English name, or a code. Pure.

export const DETECT = { code: "auto", name: "Detect", native: "Detect language", heard: true, words: ["detect", "auto"] };

/** The list that the server sent, with every language's own name, sorted by that. */
export function prepare(list) {
  return list
    .map(({ code, name, aliases, heard }) => {
      const native = nativeName(code) ?? name;
      return { code, name, native, heard, words: [native, name, code, ...aliases].map(folded) };
    })
    .sort((left, right) => left.native.localeCompare(right.native));
}

/** Those that match what was typed, the likeliest first: everything where nothing was typed. */
export function search(languages, typed) {
  const wanted = folded(typed);
  if (!wanted) return languages;
  return languages
    .map((language) => ({ language, rank: rankOf(language, wanted) }))
    .filter(({ rank }) => rank < Infinity)
    .sort((left, right) => left.rank - right.rank)
    .map(({ language }) => language);
}

/** What a language is called on the page. */
export function shown(language) {
  return language.native === language.name || language.code === "auto"
    ? language.native
    : `${language.native} · ${language.name}`;
}

function rankOf({ words }, wanted) {
  const [native, name] = words;
  if (words.includes(wanted)) return 0;
  if (native.startsWith(wanted) || name?.startsWith(wanted)) return 1;
  if (words.some((word) => word.startsWith(wanted))) return 2;
  return words.some((word) => word.includes(wanted)) ? 3 : Infinity;
}

function folded(text) {
  return text.trim().toLowerCase().normalize("NFD").replace(/\p{M}/gu, "");
}

/** A language's name in itself, where the browser knows it. */
function nativeName(code) {
  try {
    if (Intl.DisplayNames.supportedLocalesOf([code]).length === 0) return null;
    const name = new Intl.DisplayNames([code], { type: "language", fallback: "none" }).of(code);
    return name ? name[0].toLocaleUpperCase(code) + name.slice(1) : null;
  } catch {
    return null; // a code that is no tag of BCP 47
  }
}
