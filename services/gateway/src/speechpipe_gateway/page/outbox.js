// Audio that may have to be sent again, with control messages at their places in it. No clock, no socket.

/** Mono 16-bit audio since the last acknowledged frame. Offsets are frames from the start of the session. */
export class Outbox {
  #blocks = []; // {begin, samples}, in order, without gaps
  #marks = []; // {place, message}
  #nextMark = 0;
  #limit;
  base = 0;
  end = 0;
  position = 0;
  /** Frames that were given up because the limit was reached before anybody acknowledged them. */
  lost = 0;

  /** @param {number} limit most frames that are kept. */
  constructor(limit) {
    this.#limit = limit;
  }

  get unsent() {
    return this.end - this.position;
  }

  get kept() {
    return this.end - this.base;
  }

  /** Adds audio; beyond the limit the oldest goes, since what is said now matters more. */
  append(samples) {
    this.#blocks.push({ begin: this.end, samples });
    this.end += samples.length;
    const over = this.end - this.base - this.#limit;
    if (over > 0) {
      this.lost += over;
      this.position = Math.max(this.position, this.base + over);
      this.#drop(this.base + over);
    }
  }

  /** Puts a control message after the audio that is here so far. */
  mark(message) {
    this.#marks.push({ place: this.end, message });
  }

  /** The next thing to send: an Int16Array of at most `limit` frames, a control message, or null. */
  take(limit) {
    let until = this.end;
    const mark = this.#marks[this.#nextMark];
    if (mark) {
      if (mark.place <= this.position) {
        this.#nextMark += 1;
        return mark.message;
      }
      until = mark.place;
    }
    const count = Math.min(until - this.position, limit);
    if (count <= 0) return null;
    const taken = this.#slice(this.position, count);
    this.position += count;
    return taken;
  }

  /** Sends again from `offset` on. Throws a RangeError where that audio is not here. */
  rewind(offset) {
    if (offset < this.base || offset > this.end) {
      throw new RangeError(`the server wants audio from frame ${offset}; frames ${this.base} to ${this.end} are here`);
    }
    this.position = offset;
    this.#nextMark = this.#marks.findIndex((mark) => mark.place >= offset);
    if (this.#nextMark < 0) this.#nextMark = this.#marks.length;
  }

  /** Forgets what lies before `offset`, as far as it was sent. */
  release(offset) {
    this.#drop(Math.min(offset, this.position));
  }

  /** Counts anew from the oldest frame that is kept, for another session; returns how many frames that moves. */
  restart() {
    const moved = this.base;
    for (const block of this.#blocks) block.begin -= moved;
    for (const mark of this.#marks) mark.place = Math.max(0, mark.place - moved);
    this.end -= moved;
    this.base = 0;
    this.rewind(0);
    return moved;
  }

  #drop(offset) {
    if (offset <= this.base) return;
    this.base = offset;
    let whole = 0;
    while (whole < this.#blocks.length && this.#endOf(whole) <= offset) whole += 1;
    this.#blocks.splice(0, whole);
    const first = this.#blocks[0];
    if (first && first.begin < offset) {
      this.#blocks[0] = { begin: offset, samples: first.samples.slice(offset - first.begin) };
    }
    const before = this.#marks.filter((mark, index) => mark.place < offset && index < this.#nextMark).length;
    this.#marks.splice(0, before);
    this.#nextMark -= before;
  }

  #endOf(index) {
    return this.#blocks[index].begin + this.#blocks[index].samples.length;
  }

  #slice(begin, count) {
    const made = new Int16Array(count);
    let filled = 0;
    for (let index = this.#find(begin); filled < count; index += 1) {
      const block = this.#blocks[index];
      const from = begin + filled - block.begin;
      const piece = block.samples.subarray(from, from + count - filled);
      made.set(piece, filled);
      filled += piece.length;
    }
    return made;
  }

  #find(offset) {
    let low = 0;
    let high = this.#blocks.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#blocks[middle].begin <= offset) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
