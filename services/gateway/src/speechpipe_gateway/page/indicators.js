// What the page says of itself: the state of the connection, sentences for people, the level and the delay.

const NAMES = {
  idle: "Not listening",
  opening: "Opening the sound",
  connecting: "Connecting",
  live: "Listening",
  finishing: "Finishing",
  waiting: "Reconnecting",
  key: "Key needed",
};
const QUIET_SECONDS = 8;
const FLOOR_DB = -55;
const GOOD_NEWS_MS = 6000;

export class Indicators {
  #state = document.getElementById("state");
  #text = document.getElementById("state-text");
  #notice = document.getElementById("notice");
  #noticeText = document.getElementById("notice-text");
  #level = document.getElementById("level");
  #delay = document.getElementById("delay");
  #shown = 0;
  #drawn = 0;
  #fading;
  #topic = "";
  #lastSound = 0;
  #quiet = false;

  constructor() {
    document.getElementById("dismiss").addEventListener("click", () => this.clear());
  }

  state(name, detail = "") {
    this.#state.dataset.state = name;
    const text = NAMES[name] + (detail && ` · ${detail}`);
    if (this.#text.textContent !== text) this.#text.textContent = text;
  }

  /**
   * Say a sentence.
   * @param {"bad"|"warn"|"good"} kind good news goes by itself.
   * @param {string} topic what it is about, so that it can be taken back.
   */
  say(text, kind = "bad", topic = "") {
    this.#topic = topic;
    clearTimeout(this.#fading);
    this.#notice.dataset.kind = kind;
    this.#noticeText.textContent = text;
    this.#notice.hidden = false;
    if (kind === "good") this.#fading = setTimeout(() => this.clear(), GOOD_NEWS_MS);
  }

  /** Say nothing any more. @param {?string} topic only where it was about this. */
  clear(topic = null) {
    if (topic !== null && topic !== this.#topic) return;
    clearTimeout(this.#fading);
    this.#notice.hidden = true;
    this.#noticeText.textContent = "";
  }

  /** @param {number} level root mean square of the last block, 0 to 1. */
  level(level) {
    const now = performance.now();
    const share = level > 0 ? Math.max(0, 1 - (20 * Math.log10(level)) / FLOOR_DB) : 0;
    this.#shown = Math.max(share, this.#shown - (now - this.#drawn) / 400);
    this.#drawn = now;
    this.#level.style.setProperty("--level", this.#shown.toFixed(3));
    this.#level.setAttribute("aria-valuenow", String(Math.round(this.#shown * 100)));
    if (level > 0 || this.#lastSound === 0) this.#lastSound = now;
    const quiet = now - this.#lastSound > QUIET_SECONDS * 1000;
    if (quiet && !this.#quiet) this.say("Nothing at all is heard. The source may be muted.", "warn");
    this.#quiet = quiet;
  }

  /** The source is gone. */
  still() {
    this.#lastSound = 0;
    this.#quiet = false;
    this.#shown = 0;
    this.#level.style.setProperty("--level", "0");
    this.#level.setAttribute("aria-valuenow", "0");
  }

  /** @param {?number} seconds from the end of a sentence to its finished caption. */
  delay(seconds) {
    this.#delay.textContent = seconds === null ? "Delay –" : `Delay ${seconds.toFixed(1)} s`;
  }
}
