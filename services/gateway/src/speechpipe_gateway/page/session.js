// One session over however many connections it takes: nothing that was said is lost, nothing comes twice.

import { Backoff } from "./backoff.js";
import { ANEW, DONE, KEY, OVER, judge } from "./endings.js";
import { Outbox } from "./outbox.js";

const MESSAGE_FRAMES = 16_000; // 32 kB, an eighth of what a gateway takes
const BUFFERED_BYTES = 128 * 1024; // what the browser may hold on the way to the network
const KEPT_SECONDS = 600;
const KEEPALIVE_MS = 15_000;
const OPENING_MS = 20_000;
const SILENT_MS = 45_000; // a gateway that hears audio acknowledges it every few seconds, silence too
const PUMP_MS = 40;

export class Session {
  #outbox;
  #socket = null;
  #ready = false;
  #opened = null; // what a resume needs
  #cursor = "0-0";
  #said = null;
  #languages;
  #key;
  #rate;
  #on;
  #timers = {};
  #backoff = new Backoff(Math.random);
  #sentAt = 0;
  #heardAt = 0;
  #url;
  /** Rises when a session had to be begun anew; segment ids count from its start. */
  generation = 0;
  /** Frames that were said before this generation began. */
  shift = 0;
  stopping = false;
  over = false;

  /**
   * @param {object} options
   * @param {URL} options.url of /ws.
   * @param {number} options.rate frames a second of the audio.
   * @param {{source: string, targets: string[]}} options.languages
   * @param {string} options.key API key or token; empty: none is shown.
   * @param {object} options.on `state(name, text, seconds)`, `message(message)`, `key(text)`, `over(text)`.
   */
  constructor({ url, rate, languages, key, on }) {
    this.#url = url;
    this.#rate = rate;
    this.#languages = languages;
    this.#key = key;
    this.#on = on;
    this.#outbox = new Outbox(KEPT_SECONDS * rate);
    this.#timers.tick = setInterval(() => this.#tick(), 1000);
    this.#connect();
  }

  /** Seconds of audio that nobody has taken yet. */
  get waiting() {
    return this.#outbox.unsent / this.#rate;
  }

  /** Seconds of audio that may have to be sent again. */
  get kept() {
    return this.#outbox.kept / this.#rate;
  }

  /** Frames said since the first generation began. */
  get said() {
    return this.shift + this.#outbox.end;
  }

  get lostSeconds() {
    return this.#outbox.lost / this.#rate;
  }

  /** @param {Int16Array} samples mono, at the rate of this session. */
  send(samples) {
    if (this.over || this.stopping) return;
    const unsentBefore = this.#outbox.base + this.#outbox.kept - this.#outbox.unsent;
    this.#outbox.append(samples);
    // What was given up before it was sent is a hole that the server must be told of, which a resume does.
    if (this.#ready && this.#outbox.base > unsentBefore) this.#abandonSocket(1006);
    this.#pump();
  }

  setLanguages(languages) {
    this.#languages = languages;
    if (this.over || !this.#opened) return;
    this.#outbox.mark(languagesMessage(languages));
    this.#pump();
  }

  /** No more audio: what is outstanding is waited for. */
  stop() {
    if (this.stopping || this.over) return;
    this.stopping = true;
    this.#outbox.mark({ type: "stop" });
    if (this.#ready) this.#on.state("finishing", "");
    this.#pump();
  }

  /** Let go at once; what is outstanding is not waited for. */
  giveUp() {
    this.#end("");
  }

  /** Go on with this key, after `on.key`. */
  retryWith(key) {
    this.#key = key;
    this.#connect();
  }

  /** The network is another one: try at once, and do not trust a connection of before. */
  reconnect() {
    if (this.#socket) this.#abandonSocket(1006);
    if (this.#timers.retry === undefined) return;
    clearTimeout(this.#timers.retry);
    this.#timers.retry = undefined;
    this.#connect();
  }

  get #isOpen() {
    return this.#ready && this.#socket.readyState === WebSocket.OPEN;
  }

  #connect() {
    if (this.over) return;
    this.#timers.retry = undefined;
    this.#on.state("connecting", "");
    const url = new URL(this.#url);
    if (this.#opened) url.searchParams.set("resume", "1");
    const socket = new WebSocket(url);
    this.#socket = socket;
    this.#said = null;
    this.#heardAt = performance.now();
    socket.onopen = () => this.#greet();
    socket.onmessage = (event) => this.#take(JSON.parse(event.data));
    socket.onclose = (event) => this.#closed(event.code);
  }

  #greet() {
    if (this.#key) this.#say({ type: "auth", token: this.#key });
    if (this.#opened) {
      const { session_id, token } = this.#opened;
      this.#say({ type: "resume", session_id, token, cursor: this.#cursor, offset: this.#outbox.base });
      return;
    }
    this.shift += this.#outbox.restart();
    this.#say(languagesMessage(this.#languages));
    this.#say({ type: "start", sample_rate: this.#rate, channels: 1, format: "s16" });
  }

  #take(message) {
    this.#heardAt = performance.now();
    if (message.type === "error" && message.close) {
      this.#said = message;
      return;
    }
    if (message.cursor && message.type !== "ready") this.#cursor = message.cursor;
    if (message.type === "ready") this.#begin(message);
    else if (message.type === "audio_ack") this.#outbox.release(message.offset);
    else this.#on.message(message);
  }

  #begin(ready) {
    this.#opened = ready;
    if (this.#cursor === "0-0") this.#cursor = ready.cursor;
    try {
      this.#outbox.rewind(ready.offset);
    } catch (error) {
      this.#end(`The session cannot go on: ${error.message}.`);
      return;
    }
    this.#ready = true;
    this.#backoff.reset();
    this.#on.state(this.stopping ? "finishing" : "live", ready.resumed ? "The connection is back. Nothing was lost." : "");
    this.#on.message(ready);
    this.#pump();
  }

  #pump() {
    const socket = this.#socket;
    // A socket may be closing before this page is told: what it was given then would only be complained about.
    while (this.#isOpen && socket.bufferedAmount < BUFFERED_BYTES) {
      const due = this.#outbox.take(MESSAGE_FRAMES);
      if (due === null) return;
      if (due instanceof Int16Array) this.#sendBinary(due);
      else this.#say(due);
    }
    if (this.#isOpen && this.#timers.pump === undefined) {
      this.#timers.pump = setTimeout(() => {
        this.#timers.pump = undefined;
        this.#pump();
      }, PUMP_MS);
    }
  }

  #say(message) {
    this.#sentAt = performance.now();
    this.#socket.send(JSON.stringify(message));
  }

  #sendBinary(samples) {
    this.#sentAt = performance.now();
    this.#socket.send(samples);
  }

  #tick() {
    if (!this.#socket) return;
    const now = performance.now();
    if (this.#isOpen && now - this.#sentAt > KEEPALIVE_MS && !this.stopping) this.#say({ type: "keepalive" });
    const quiet = now - this.#heardAt;
    const owed = this.#ready && !this.stopping && this.kept > SILENT_MS / 1000;
    if ((!this.#ready && quiet > OPENING_MS) || (owed && quiet > SILENT_MS)) this.#abandonSocket(1006);
  }

  #abandonSocket(code) {
    const socket = this.#socket;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
    this.#closed(code);
  }

  #closed(code) {
    this.#socket = null;
    this.#ready = false;
    if (this.over) return;
    const verdict = judge(code, this.#said, { opened: this.#opened !== null, keyShown: Boolean(this.#key) });
    if (verdict.what === DONE || verdict.what === OVER) {
      this.#end(verdict.text);
    } else if (verdict.what === KEY) {
      this.#on.state("key", verdict.text);
      this.#on.key(verdict.text);
    } else {
      if (verdict.what === ANEW) this.#forget();
      const wait = this.#backoff.next(verdict.wait);
      this.#on.state("waiting", verdict.text, wait);
      this.#timers.retry = setTimeout(() => this.#connect(), wait * 1000);
    }
  }

  #forget() {
    this.#opened = null;
    this.#cursor = "0-0";
    this.generation += 1;
  }

  #end(text) {
    if (this.over) return;
    this.over = true;
    clearInterval(this.#timers.tick);
    clearTimeout(this.#timers.retry);
    clearTimeout(this.#timers.pump);
    this.#socket?.close();
    this.#on.over(text);
  }
}

function languagesMessage({ source, targets }) {
  return { type: "set_langs", source_language: source, target_languages: targets };
}
