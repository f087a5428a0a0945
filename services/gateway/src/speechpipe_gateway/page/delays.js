// How long words are under way. Pure: the clock is passed in.

const STEP_SECONDS = 0.2;
const KEPT = 3000; // ten minutes of steps

/** Remembers when each piece of sound was said. */
export class Delays {
  #marks = []; // {frame, at}
  #step;

  /** @param {number} rate frames a second. */
  constructor(rate) {
    this.#step = rate * STEP_SECONDS;
  }

  /** Everything before `frame` was said by `at` (milliseconds). */
  said(frame, at) {
    const last = this.#marks.at(-1);
    if (last && frame - last.frame < this.#step) return;
    this.#marks.push({ frame, at });
    if (this.#marks.length > KEPT) this.#marks.splice(0, KEPT / 2);
  }

  /** Seconds from when `frame` was said to `now` (milliseconds), or null where that is not known. */
  since(frame, now) {
    const found = this.#marks.find((mark) => mark.frame >= frame);
    return found ? Math.max(0, (now - found.at) / 1000) : null;
  }
}
