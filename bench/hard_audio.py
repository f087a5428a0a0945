"""Audio on which decoders run away: speech cut anywhere, in noise or faint, and much that is no speech."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from stt_speech import RATE, Speech

from speechpipe_stt.engine import Utterance

Audio = npt.NDArray[np.float32]
SEED = 11
SPEECH_SHARE = 0.6


@dataclass(frozen=True, eq=False)
class Case:
    """Something to decode."""

    number: int
    kind: str
    spoken: bool
    utterance: Utterance


def case(speech: Sequence[Speech], number: int) -> Case:
    """The case of this number, which is always the same: a partial, or a final with or without beams."""
    chance, noise = random.Random(f"{SEED}-{number}"), np.random.default_rng((SEED, number))
    partial = chance.random() < 0.5
    spoken = chance.random() < SPEECH_SHARE
    language: str | None = "en"
    if spoken:
        clip = chance.choice(speech)
        language = clip.language
        kind, audio = _cut(clip.audio, chance, noise)
    else:
        kind, audio = _unspoken(chance, noise)
    if chance.random() < 0.3:
        language = None
    beams = 1 if partial or chance.random() < 0.6 else 5
    utterance = Utterance(audio, language, beam_size=beams, fallback=not partial, word_timestamps=not partial)
    return Case(number, kind, spoken, utterance)


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
    length = int(chance.uniform(0.5, 6.0) * RATE)
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
