"""Sound that detectors take for speech, for machines without any: it has no words, so no word error rate either.

Harmonics of a falling voice under moving formants, four syllables a second (source and filter after Fant, "Acoustic
Theory of Speech Production", 1960; formants of the vowels after Peterson and Barney, JASA 24, 1952).
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from speechpipe_client.audio import to_int16
from speechpipe_client.load.clips import make_clip
from speechpipe_client.load.talker import RATE, Clip, Framing

CLIPS: Final = 8
SECONDS: Final = (1.5, 7.0)
_SYLLABLE_SECONDS: Final = 0.25
_VOWELS: Final = ((730, 1090, 2440), (270, 2290, 3010), (300, 870, 2240), (530, 1840, 2480), (570, 840, 2410))
_BANDWIDTHS: Final = (80.0, 100.0, 140.0)
_VOICED_BELOW: Final = 4000.0


def synthetic_clips(framing: Framing, seed: int = 1) -> list[Clip]:
    """Some utterances of different lengths, in no language."""
    dice = np.random.default_rng(seed)
    lengths = np.linspace(*SECONDS, CLIPS)
    voices = [_utterance(float(seconds), dice) for seconds in lengths]
    return [make_clip(f"synthetic {i}", "en", "", to_int16(voice), framing) for i, voice in enumerate(voices)]


def _utterance(seconds: float, dice: np.random.Generator) -> npt.NDArray[np.float32]:
    time = np.arange(round(seconds * RATE)) / RATE
    pitch = dice.uniform(100, 200) * (1.15 - 0.3 * time / seconds + 0.03 * np.sin(2 * np.pi * 3 * time))
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    formants = _glide(dice, time)
    voice = np.zeros_like(time)
    for harmonic in range(1, int(_VOICED_BELOW / pitch.min()) + 1):
        voice += _weight(harmonic * pitch, formants) / harmonic * np.sin(harmonic * phase)
    syllables = np.clip(np.sin(np.pi * time / _SYLLABLE_SECONDS) ** 2 * 1.3, 0.03, 1.0)
    sound = voice * syllables + 0.002 * dice.standard_normal(len(time))
    return np.asarray(0.5 * sound / np.abs(sound).max(), np.float32)


def _glide(dice: np.random.Generator, time: npt.NDArray[np.float64]) -> list[npt.NDArray[np.float64]]:
    """Three formants (Hz) over time, from vowel to vowel."""
    at = np.arange(0, time[-1] + 2 * _SYLLABLE_SECONDS, _SYLLABLE_SECONDS)
    vowels = np.array([_VOWELS[choice] for choice in dice.integers(len(_VOWELS), size=len(at))], np.float64)
    return [np.interp(time, at, vowels[:, formant]) for formant in range(3)]


def _weight(frequency: npt.NDArray[np.float64], formants: list[npt.NDArray[np.float64]]) -> npt.NDArray[np.float64]:
    """Gain at a frequency: a resonance for each formant."""
    resonances = [
        1 / (1 + ((frequency - formant) / width) ** 2) for formant, width in zip(formants, _BANDWIDTHS, strict=True)
    ]
    return np.asarray(sum(resonances), np.float64)
