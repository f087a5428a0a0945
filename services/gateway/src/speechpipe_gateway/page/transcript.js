// What was said, gathered from a session's messages in the order of speech. Pure: no DOM, no clock.

/** A segment's words as they stand, and its translations by language. */
function newSegment(key, order) {
  return {
    key,
    order,
    start: 0,
    end: 0,
    committed: "",
    tail: "",
    text: "",
    language: "",
    words: [],
    final: false,
    continues: false,
    failed: "",
    revision: -1,
    translations: new Map(), // language → {text, final, revision}
  };
}

export class Transcript {
  #byKey = new Map();
  /** In the order of speech; those that turned out to be silence are not among them. */
  segments = [];

  get isEmpty() {
    return this.segments.length === 0;
  }

  /** Revisions may count anew after a resume; what is final stays so. */
  reconnected() {
    for (const segment of this.segments) {
      segment.revision = -1;
      for (const one of segment.translations.values()) one.revision = -1;
    }
  }

  /**
   * Takes a message into account.
   * @param {object} message of the gateway.
   * @param {{generation: number, shift: number}} place which session it is of, and seconds that were said before that.
   * @returns {?object} the segment that changed, or null where this is no news.
   */
  apply(message, { generation, shift }) {
    if (message.segment_id === undefined || message.segment_id === null) return null;
    const key = `${generation}:${message.segment_id}`;
    switch (message.type) {
      case "realtime":
        return this.#partial(this.#segment(key, generation, message), message);
      case "final":
        return this.#final(this.#segment(key, generation, message), message, shift);
      case "translation":
        return this.#translation(this.#segment(key, generation, message), message);
      case "error":
        return this.#failure(this.#segment(key, generation, message), message);
      default:
        return null;
    }
  }

  #segment(key, generation, message) {
    let found = this.#byKey.get(key);
    if (found) return found;
    found = newSegment(key, [generation, Number(message.segment_id)]);
    this.#byKey.set(key, found);
    let place = this.segments.length;
    while (place > 0 && before(found.order, this.segments[place - 1].order)) place -= 1;
    this.segments.splice(place, 0, found);
    return found;
  }

  #partial(segment, { rev, committed, tail, language }) {
    if (segment.final || rev < segment.revision) return null;
    Object.assign(segment, { revision: rev, committed, tail, text: committed + tail, language });
    return segment;
  }

  #final(segment, message, shift) {
    if (segment.final) return null;
    const text = message.text.trim();
    const words = message.words.map((word) => ({ ...word, start: word.start + shift, end: word.end + shift }));
    Object.assign(segment, {
      final: true,
      committed: text,
      tail: "",
      text,
      words,
      language: message.language,
      continues: message.continues,
      start: (words[0]?.start ?? message.start + shift),
      end: (words.at(-1)?.end ?? message.end + shift),
    });
    if (!text) this.segments.splice(this.segments.indexOf(segment), 1);
    return segment;
  }

  #translation(segment, { language, text, is_final, rev }) {
    const before = segment.translations.get(language);
    if (before?.final || (segment.final && !is_final) || (before && rev < before.revision)) return null;
    segment.translations.set(language, { text: text.trim(), final: is_final, revision: rev });
    return segment;
  }

  #failure(segment, { language, message }) {
    if (language) segment.translations.set(language, { text: "", final: true, failed: message, revision: 0 });
    else Object.assign(segment, { final: true, failed: message });
    return segment;
  }
}

function before(left, right) {
  return left[0] === right[0] ? left[1] < right[1] : left[0] < right[0];
}
