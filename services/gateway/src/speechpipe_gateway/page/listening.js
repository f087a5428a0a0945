// From Start to Stop: a source and its session, and what that tells the page.

import { Delays } from "./delays.js";
import { sourceError } from "./endings.js";
import { Session } from "./session.js";

const GENERATIONS = 1e6; // more than one take ever has

export class Listening {
  #config;
  #show;
  #languages;
  #askKey;
  #key;
  #delays = null;
  #takes = 0; // begun on this page; their segments follow each other
  #elapsed = 0; // seconds of sound of those before the present one
  #wake = null;
  source = null;
  session = null;

  /**
   * @param {object} options
   * @param {{url: URL, key: boolean}} options.config where the server is, and whether it asks for a key.
   * @param {string} options.key remembered, or "".
   * @param {() => object} options.languages that are chosen.
   * @param {(why: string) => Promise<?string>} options.askKey
   * @param {object} options.show `state(name, text, seconds)`, `say(text, kind)`, `level(share)`, `delay(seconds)`,
   *   `ready()`, `message(message, place)`, `changed()`.
   */
  constructor({ config, key, languages, askKey, show }) {
    this.#config = config;
    this.#key = key;
    this.#languages = languages;
    this.#askKey = askKey;
    this.#show = show;
  }

  get running() {
    return this.source !== null;
  }

  get stopping() {
    return Boolean(this.session?.stopping);
  }

  /** @param {() => Promise<?object>} open gives a source, or null where none is chosen. @param {string} from its kind. */
  async begin(open, from) {
    this.source = { stop() {} }; // one at a time, while a browser asks its user
    this.#show.state("opening");
    this.#show.changed();
    try {
      if (this.#config.key && !this.#key) this.#key = (await this.#askKey("This server asks for an API key.")) ?? "";
      if (this.#config.key && !this.#key) return this.#idle();
      const source = await open();
      if (source === null) return this.#idle("Choose a file first.");
      await this.#listen(source);
    } catch (error) {
      if (this.source === null) return; // the session ended meanwhile, and said why
      this.session?.giveUp();
      this.#idle(sourceError(error, from));
    }
  }

  /** No more sound; what is outstanding still comes. The second time: do not wait for it. */
  stop() {
    if (this.session?.stopping) return this.session.giveUp();
    if (this.session) this.#finish();
  }

  languagesChanged() {
    this.session?.setLanguages(this.#languages());
  }

  reconnect() {
    this.session?.reconnect();
  }

  async #listen(source) {
    this.source = source;
    this.#takes += 1;
    this.#delays = new Delays(source.rate);
    const session = this.#open(source);
    this.session = session;
    this.#show.changed();
    this.#stayAwake();
    await source.start(
      (block) => this.#hear(session, block),
      () => this.#ended(source),
      () => session,
    );
  }

  #open(source) {
    return new Session({
      url: this.#config.url,
      rate: source.rate,
      languages: this.#languages(),
      key: this.#key,
      on: {
        state: (name, text, seconds) => this.#show.state(name, text, seconds),
        message: (message) => this.#take(message),
        key: (why) => this.#newKey(why),
        over: (text) => this.#over(text),
      },
    });
  }

  #hear(session, { samples, level }) {
    session.send(samples);
    this.#delays.said(session.said, performance.now());
    this.#show.level(level);
    if (session.lostSeconds >= 1) {
      this.#show.say(`The connection was away for too long: ${Math.round(session.lostSeconds)} s of sound are lost.`);
    }
  }

  #ended(source) {
    if (source.live) this.#show.say("The source has ended: it was unplugged, or its sharing was stopped.", "warn");
    this.#finish();
  }

  #take(message) {
    const { rate } = this.source;
    if (message.type === "ready") {
      this.#show.ready();
    } else if (message.type === "error" && !message.segment_id) {
      this.#show.say(problem(message));
    } else {
      const { generation, shift } = this.session;
      if (message.type === "final" && message.text) this.#measure(message, shift, rate);
      const place = { generation: this.#takes + generation / GENERATIONS, shift: this.#elapsed + shift / rate };
      this.#show.message(message, place);
    }
  }

  #measure(final, shift, rate) {
    const end = (final.words.at(-1)?.end ?? final.end) * rate + shift;
    this.#show.delay(this.#delays.since(end, performance.now()));
  }

  async #newKey(why) {
    const { session } = this;
    this.#key = (await this.#askKey(why)) ?? "";
    if (this.#key) session.retryWith(this.#key);
    else session.giveUp();
  }

  #finish() {
    this.source.stop();
    this.#show.level(null);
    this.session.stop();
    this.#show.changed();
  }

  #over(text) {
    this.source.stop();
    this.#elapsed += this.session.said / this.source.rate;
    this.session = null;
    this.#idle(text);
  }

  #idle(text = "") {
    this.source?.stop();
    this.source = null;
    this.#show.level(null);
    this.#show.state("idle");
    if (text) this.#show.say(text);
    this.#wake?.release();
    this.#wake = null;
    this.#show.changed();
  }

  async #stayAwake() {
    try {
      this.#wake = (await navigator.wakeLock?.request("screen")) ?? null;
    } catch {
      this.#wake = null; // a hidden page, or a device that saves power
    }
  }
}

function problem({ code, message }) {
  if (code === "unknown_language") return `The server does not take this language: ${message}.`;
  return `The server says: ${message}.`;
}
