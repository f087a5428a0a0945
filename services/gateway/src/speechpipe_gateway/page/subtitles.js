// Writes a transcript as text, SRT or WebVTT. Cues are at most two lines of 42 characters and at least 5/6 s long, as the
// BBC's and Netflix's guidelines ask. Pure.

const LINE = 42;
const LINES = 2;
const SHORTEST = 5 / 6;
const PAUSE = 1;
const CARRIED = 3;
const UNSPACED = new Set(["zh", "ja", "th", "yue", "lo", "km", "my"]);
const SENTENCE_END = /[.!?。！？]$/;
const CLAUSE_END = /[.!?。！？,;:，、]$/;

/**
 * @param {object[]} segments of a Transcript.
 * @param {"txt"|"srt"|"vtt"} form
 * @param {?string} target language whose translation is written; null: what was said.
 */
export function write(segments, form, target = null) {
  const done = segments.filter((segment) => segment.text);
  if (form === "txt") return done.map((segment) => `${textOf(segment, target)}\n`).join("");
  const cues = done.flatMap((segment) => cuesOf(segment, target));
  if (form === "srt") {
    return cues.map((cue, index) => `${index + 1}\n${times(cue, ",")}\n${cue.lines.join("\n")}\n\n`).join("");
  }
  return "WEBVTT\n\n" + cues.map((cue) => `${times(cue, ".")}\n${cue.lines.map(escaped).join("\n")}\n\n`).join("");
}

function textOf(segment, target) {
  return target === null ? segment.text : (segment.translations.get(target)?.text ?? "");
}

/** Cues of one segment: by its words' times, or by length where there are none, as in a translation. */
export function cuesOf(segment, target = null) {
  const language = target ?? segment.language;
  const glue = UNSPACED.has(language) ? "" : " ";
  if (target === null && segment.words.length) {
    return readable(grouped(joined(segment.words, segment.text, glue)).map(cue));
  }
  return readable(grouped(spread(textOf(segment, target), glue, segment.start, segment.end)).map(cue));
}

/** Words as the text spells them: what stands there without a space, such as the parts of “e-mail”, is one word. */
function joined(words, text, glue) {
  const tokens = [];
  let place = 0;
  for (const word of words) {
    const written = word.text.trim();
    if (!written) continue;
    const found = text.indexOf(written, place);
    const apart = found < 0 || /\s/.test(text.slice(place, found));
    if (found >= 0) place = found + written.length;
    if (glue && !apart && tokens.length) {
      tokens[tokens.length - 1] = { ...tokens.at(-1), text: tokens.at(-1).text + written, end: word.end };
    } else {
      tokens.push({ text: written, start: word.start, end: word.end, glue });
    }
  }
  return tokens;
}

function spread(text, glue, start, end) {
  const pieces = glue ? text.split(/\s+/).filter(Boolean) : [...text.replace(/\s+/g, " ").trim()];
  const total = pieces.reduce((sum, piece) => sum + piece.length, 0);
  let spoken = 0;
  return pieces.map((piece) => {
    const from = start + ((end - start) * spoken) / total;
    spoken += piece.length;
    return { text: piece, start: from, end: start + ((end - start) * spoken) / total, glue };
  });
}

function grouped(tokens) {
  const groups = [[]];
  for (const token of tokens) {
    const group = groups.at(-1);
    if (group.length && (token.start - group.at(-1).end >= PAUSE || sentenceFills(group))) groups.push([]);
    else if (filled([...group, token], LINE).length > LINES) groups.push(carried(group));
    groups.at(-1).push(token);
  }
  return groups.filter((group) => group.length);
}

function sentenceFills(group) {
  return SENTENCE_END.test(group.at(-1).text) && filled(group, LINE).length === LINES;
}

/** Moves the few words after a clause's end to the next cue. */
function carried(group) {
  for (let count = 1; count <= Math.min(CARRIED, group.length - 1); count += 1) {
    if (CLAUSE_END.test(group.at(-count - 1).text)) return group.splice(-count);
  }
  return [];
}

function cue(group) {
  return { start: group[0].start, end: group.at(-1).end, lines: balanced(group) };
}

/** Lines as even as they can be without being more than they must. */
function balanced(group) {
  const needed = filled(group, LINE);
  if (needed.length !== LINES) return needed;
  const length = needed[0].length + needed[1].length;
  for (let width = Math.floor(length / LINES); width < LINE; width += 1) {
    const even = filled(group, width);
    if (even.length === LINES && even.every((line) => line.length <= LINE)) return even;
  }
  return needed;
}

function filled(group, width) {
  const lines = [];
  for (const { text, glue } of group) {
    const longer = lines.length ? lines.at(-1) + glue + text : text;
    if (lines.length && longer.length <= width) lines[lines.length - 1] = longer;
    else lines.push(text);
  }
  return lines;
}

function readable(cues) {
  return cues.map((one, index) => {
    const room = index + 1 < cues.length ? Math.max(one.end, cues[index + 1].start) : Infinity;
    return { ...one, end: Math.min(Math.max(one.end, one.start + SHORTEST), room) };
  });
}

function times({ start, end }, point) {
  return `${clock(start, point)} --> ${clock(end, point)}`;
}

/** Seconds as HH:MM:SS and milliseconds. */
export function clock(seconds, point = ".") {
  const milliseconds = Math.round(Math.max(0, seconds) * 1000);
  const two = (number) => String(Math.floor(number)).padStart(2, "0");
  const rest = String(milliseconds % 1000).padStart(3, "0");
  return `${two(milliseconds / 3_600_000)}:${two((milliseconds / 60_000) % 60)}:${two((milliseconds / 1000) % 60)}${point}${rest}`;
}

// "&" and "<" begin escapes and tags in a cue (WebVTT, section 4.1), and "-->" may not stand in one.
function escaped(line) {
  return line.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
