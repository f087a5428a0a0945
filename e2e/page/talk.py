"""What the browser's microphone plays, and the file that is given to it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from speech import clips, recording

from speechpipe_common.downloads import ASSETS, fetch

RATE = 16_000
LEAD_SECONDS = 2.5
"""Quiet before the first word: the browser plays from when the microphone is opened."""

PAUSE_SECONDS = 1.2

WRONG_WORDS = 0.15
"""Share of the words that Whisper tiny.en may mishear."""


@dataclass(frozen=True)
class Talk:
    """A WAV file, and the words in it."""

    path: Path
    sentences: tuple[str, ...]
    seconds: float

    @property
    def said(self) -> str:
        """All of it."""
        return " ".join(self.sentences)


def make_talk(path: Path) -> Talk:
    """Write three clips of 16 kHz one after the other: those of the fault suite, and one more where it has two."""
    folder = fetch(ASSETS["audioeval"]) / "en"
    spare = recording(folder / "counting.wav", (folder / "counting.txt").read_text().strip())
    chosen = [*clips()[RATE], spare][:3]
    quiet = np.zeros(round(PAUSE_SECONDS * RATE), np.int16)
    parts = [np.zeros(round(LEAD_SECONDS * RATE), np.int16)]
    for clip in chosen:
        parts += [clip.samples, quiet]
    samples = np.concatenate(parts)
    soundfile.write(path, samples, RATE, subtype="PCM_16")
    return Talk(path, tuple(clip.text for clip in chosen), len(samples) / RATE)
