"""Whether the batched STT engine ever runs away or makes words of noise: thousands of decodes of hard audio.

    .venv/bin/python bench/stt_runaway.py --speech DIR [--decodes 5000]

Speech cut at a random place and length, as it is, in noise, or faint; silence, white and pink noise, hum, clicks and
chords; as partials and as finals, with the VAD filter off, which is harder than what a worker does. A text is a runaway
when it says a phrase four times or more in a row, or is longer than fifty characters and thirty for each second. For
what is no speech any text is an invention.
"""

import argparse
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from shared import say
from stt_speech import RATE, Speech, read_all

from speechpipe_common.downloads import ASSETS, fetch
from speechpipe_stt.batched.engine import BatchedEngine
from speechpipe_stt.engine import EngineError, Utterance
from speechpipe_stt.guards import without_loops
from speechpipe_stt.whisper import FasterWhisperEngine

Audio = npt.NDArray[np.float32]
CALL = 64
SEED = 11
SPEECH_SHARE = 0.6


@dataclass(frozen=True, eq=False)
class Case:
    """Something to decode."""

    kind: str
    spoken: bool
    utterance: Utterance


def cases(speech: list[Speech], count: int) -> Iterator[Case]:
    """Hard audio, always the same for a count."""
    chance, noise = random.Random(SEED), np.random.default_rng(SEED)
    for _ in range(count):
        partial = chance.random() < 0.5
        spoken = chance.random() < SPEECH_SHARE
        language = "en"
        if spoken:
            clip = chance.choice(speech)
            language = clip.language
            kind, audio = _cut(clip.audio, chance, noise)
        else:
            kind, audio = _unspoken(chance, noise)
        options = {"beam_size": 1, "fallback": not partial, "word_timestamps": not partial}
        yield Case(kind, spoken, Utterance(audio, language, **options))  # type: ignore[arg-type]  # flags


def _cut(audio: Audio, chance: random.Random, noise: np.random.Generator) -> tuple[str, Audio]:
    seconds = chance.uniform(0.3, 8.0)
    length = min(len(audio), int(seconds * RATE))
    begin = chance.randint(0, len(audio) - length)
    part = audio[begin : begin + length]
    way = chance.choice(("as it is", "in noise", "faint"))
    if way == "in noise":
        part = part + noise.normal(0, 10 ** (chance.uniform(-45, -25) / 20), length).astype(np.float32)
    elif way == "faint":
        part = part * np.float32(10 ** (-chance.uniform(20, 40) / 20))
    return f"cut speech {way}", part.astype(np.float32)


def _unspoken(chance: random.Random, noise: np.random.Generator) -> tuple[str, Audio]:
    length = int(chance.uniform(0.5, 10.0) * RATE)
    level = np.float32(10 ** (chance.uniform(-60, -10) / 20))
    moment = np.arange(length) / RATE
    kinds: dict[str, Callable[[], npt.NDArray[np.floating]]] = {
        "silence": lambda: np.zeros(length),
        "white noise": lambda: noise.normal(0, 1, length) * level,
        "pink noise": lambda: _pink(noise.normal(0, 1, length)) * level,
        "hum": lambda: (np.sin(2 * np.pi * 50 * moment) + 0.5 * np.sin(2 * np.pi * 150 * moment)) * level,
        "chords": lambda: _chords(moment, chance) * level,
        "clicks": lambda: np.where(np.arange(length) % chance.randint(2_000, 16_000) < 2, 0.9, 0.0),
    }
    kind = chance.choice(sorted(kinds))
    return kind, kinds[kind]().clip(-1, 1).astype(np.float32)


def _pink(white: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    spectrum = np.fft.rfft(white)
    shaped = np.fft.irfft(spectrum / np.sqrt(np.maximum(1, np.arange(len(spectrum)))), len(white))
    return np.asarray(shaped / shaped.std(), np.float64)


def _chords(moment: npt.NDArray[np.float64], chance: random.Random) -> npt.NDArray[np.float64]:
    """A triad with overtones, another one each half second."""
    sound = np.zeros(len(moment))
    for begin in range(0, len(moment), RATE // 2):
        root = 220 * 2 ** (chance.randint(0, 12) / 12)
        part = moment[begin : begin + RATE // 2]
        for step in (0, 4, 7):
            for overtone in (1, 2, 3):
                pitch = root * 2 ** (step / 12) * overtone
                sound[begin : begin + len(part)] += np.sin(2 * np.pi * pitch * part) / overtone
    return sound / 6


def runaway(text: str, seconds: float) -> bool:
    """Whether the text goes on as no speaker does."""
    tokens = text.split() if " " in text else list(text)
    return len(without_loops(tokens)) < len(tokens) or len(text) > 50 + 30 * seconds


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description="Runaway decodes and invented words.")
    parser.add_argument("--speech", type=Path, required=True, help="folder with clips and manifest.json")
    parser.add_argument("--decodes", type=int, default=5000)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    options = parser.parse_args()
    engine = BatchedEngine(FasterWhisperEngine(fetch(ASSETS["whisper-base"]), device=options.device, vad_filter=False))
    waiting = list(cases(read_all(options.speech), options.decodes))
    decoded: Counter[str] = Counter()
    wild: Counter[str] = Counter()
    invented: Counter[str] = Counter()
    for begin in range(0, len(waiting), CALL):
        some = waiting[begin : begin + CALL]
        outcomes = engine.transcribe([case.utterance for case in some])
        for case, outcome in zip(some, outcomes, strict=True):
            if isinstance(outcome, EngineError):
                raise outcome
            decoded[case.kind] += 1
            if runaway(outcome.text, case.utterance.seconds):
                wild[case.kind] += 1
                say(f"\nrunaway ({case.kind}, {case.utterance.seconds:.1f} s): {outcome.text}")
            if outcome.text and not case.spoken:
                invented[case.kind] += 1
                say(f"\ninvented ({case.kind}, {case.utterance.seconds:.1f} s): {outcome.text}")
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{begin + len(some)} of {len(waiting)} ")
    say("\n| audio | decodes | runaways | invented |\n|---|---|---|---|")
    for kind in sorted(decoded):
        say(f"| {kind} | {decoded[kind]} | {wild[kind]} | {invented[kind]} |")
    return 0 if not wild and not invented else 1


if __name__ == "__main__":
    sys.exit(main())
