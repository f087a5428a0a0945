// Runs in the audio thread: mixes what comes down to one channel of 16-bit integers, in blocks.

const BLOCK_SECONDS = 0.04;

class Capture extends AudioWorkletProcessor {
  constructor() {
    super();
    this.size = Math.round(sampleRate * BLOCK_SECONDS);
    this.begin();
  }

  begin() {
    this.block = new Int16Array(this.size);
    this.filled = 0;
    this.energy = 0;
  }

  process([channels]) {
    const frames = channels[0]?.length ?? 0;
    for (let at = 0; at < frames; at += 1) {
      let sum = 0;
      for (const channel of channels) sum += channel[at];
      const value = Math.max(-1, Math.min(1, sum / channels.length));
      this.energy += value * value;
      this.block[this.filled] = value < 0 ? value * 32768 : value * 32767;
      this.filled += 1;
      if (this.filled === this.size) this.post();
    }
    return true;
  }

  post() {
    const level = Math.sqrt(this.energy / this.size);
    this.port.postMessage({ samples: this.block, level }, [this.block.buffer]);
    this.begin();
  }
}

registerProcessor("capture", Capture);
