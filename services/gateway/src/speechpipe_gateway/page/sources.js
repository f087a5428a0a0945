// Where sound comes from: a microphone, a tab, or a file. Each source has `rate`, `label`, `start(onBlock, onEnd)`, `stop()`.
// A block is {samples: Int16Array, level: number in 0..1}.

const FILE_RATE = 16_000; // what the gateway makes of any rate
const FILE_BLOCK_SECONDS = 0.1;
const FILE_AHEAD_SECONDS = 4; // of a file that is sent as fast as it goes
const FILE_KEPT_SECONDS = 60;

class SourceError extends Error {
  constructor(name) {
    super(name);
    this.name = name;
  }
}

let worklet;

/** Have what runs in the audio thread at hand before the server may go away. @param {string} name with its version. */
export async function prepareCapture(name) {
  worklet = new URL(name, import.meta.url);
  await fetch(worklet);
}

export async function openMicrophone() {
  if (!window.isSecureContext) throw new SourceError("Insecure");
  if (!navigator.mediaDevices?.getUserMedia) throw new SourceError("NotSupportedError");
  // Echo cancellation would take away the very voices of a call that come from the speakers, and noise suppression
  // takes parts of words.
  const audio = { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: true };
  const stream = await navigator.mediaDevices.getUserMedia({ audio });
  return new StreamSource(stream);
}

export async function openTab() {
  if (!window.isSecureContext) throw new SourceError("Insecure");
  if (!navigator.mediaDevices?.getDisplayMedia) throw new SourceError("NotSupportedError");
  const stream = await navigator.mediaDevices.getDisplayMedia({
    video: { frameRate: 1 }, // sound alone cannot be asked for
    audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false, suppressLocalAudioPlayback: false },
    systemAudio: "include",
    preferCurrentTab: false,
    selfBrowserSurface: "exclude",
  });
  if (stream.getAudioTracks().length === 0) {
    for (const track of stream.getTracks()) track.stop();
    throw new SourceError("NoSound");
  }
  return new StreamSource(stream);
}

/** Live sound at the device's own rate. */
class StreamSource {
  live = true;

  constructor(stream) {
    this.stream = stream;
    const [track] = stream.getAudioTracks();
    this.label = track.label;
    const { sampleRate } = track.getSettings();
    this.context = new AudioContext(sampleRate ? { sampleRate } : {});
    this.rate = this.context.sampleRate;
  }

  async start(onBlock, onEnd) {
    const { context, stream } = this;
    await context.audioWorklet.addModule(worklet).catch(() => {
      throw new SourceError("Unreachable");
    });
    await context.resume();
    this.node = new AudioWorkletNode(context, "capture");
    this.node.port.onmessage = ({ data }) => onBlock(data);
    const mute = new GainNode(context, { gain: 0 }); // only what leads to the output is computed
    context.createMediaStreamSource(new MediaStream(stream.getAudioTracks())).connect(this.node);
    this.node.connect(mute).connect(context.destination);
    for (const track of stream.getTracks()) track.onended = onEnd;
  }

  stop() {
    for (const track of this.stream.getTracks()) {
      track.onended = null;
      track.stop();
    }
    if (this.node) this.node.port.onmessage = null;
    if (this.context.state !== "closed") this.context.close();
  }
}

export async function openFile(file, { aloud }) {
  const bytes = await file.arrayBuffer();
  const decoder = new OfflineAudioContext(1, 1, FILE_RATE);
  return new FileSource(await decoder.decodeAudioData(bytes), file.name, aloud);
}

/** A file: heard aloud at its own pace, or as fast as the server takes it. */
class FileSource {
  live = false;
  rate = FILE_RATE;

  constructor(buffer, label, aloud) {
    this.label = label;
    this.buffer = buffer;
    this.samples = mixed(buffer);
    this.aloud = aloud;
    this.at = 0;
  }

  get seconds() {
    return this.samples.length / this.rate;
  }

  /** @param {() => {waiting: number, kept: number}} pressure of the session, in seconds of audio. */
  async start(onBlock, onEnd, pressure) {
    if (this.aloud) await this.#play();
    const began = performance.now();
    const size = this.rate * FILE_BLOCK_SECONDS;
    this.timer = setInterval(() => {
      const due = this.aloud ? ((performance.now() - began) / 1000) * this.rate : Infinity;
      while (this.at < Math.min(due, this.samples.length) && (this.aloud || this.#mayGo(pressure()))) {
        const samples = this.samples.slice(this.at, this.at + size);
        this.at += samples.length;
        onBlock({ samples, level: levelOf(samples) });
      }
      if (this.at < this.samples.length) return;
      this.stop();
      onEnd();
    }, 50);
  }

  stop() {
    clearInterval(this.timer);
    if (this.context?.state !== "closed") this.context?.close();
  }

  #mayGo({ waiting, kept }) {
    return waiting < FILE_AHEAD_SECONDS && kept < FILE_KEPT_SECONDS;
  }

  async #play() {
    this.context = new AudioContext();
    await this.context.resume();
    const playing = new AudioBufferSourceNode(this.context, { buffer: this.buffer });
    playing.connect(this.context.destination);
    playing.start();
  }
}

function mixed(buffer) {
  const channels = Array.from({ length: buffer.numberOfChannels }, (_, index) => buffer.getChannelData(index));
  const made = new Int16Array(buffer.length);
  for (let at = 0; at < made.length; at += 1) {
    let sum = 0;
    for (const channel of channels) sum += channel[at];
    const value = Math.max(-1, Math.min(1, sum / channels.length));
    made[at] = value < 0 ? value * 32768 : value * 32767;
  }
  return made;
}

function levelOf(samples) {
  let energy = 0;
  for (const sample of samples) energy += sample * sample;
  return Math.sqrt(energy / samples.length) / 32768;
}
