// How long to wait before the next attempt: exponential, with full jitter, so that the pages of a server that went away
// do not come back all at once. The dice are passed in.

const FIRST_SECONDS = 0.3;

export class Backoff {
  #attempts = 0;
  #dice;
  #cap;

  /** @param {() => number} dice in [0, 1). @param {number} cap longest wait in seconds. */
  constructor(dice, cap = 5) {
    this.#dice = dice;
    this.#cap = cap;
  }

  /** The last attempt did good. */
  reset() {
    this.#attempts = 0;
  }

  /** Seconds to wait, at least `least`. */
  next(least = 0) {
    const ceiling = Math.min(this.#cap, FIRST_SECONDS * 2 ** this.#attempts);
    this.#attempts += 1;
    return least + this.#dice() * ceiling;
  }
}
