"""The STT worker with an engine that brings its process down whenever it hears a certain tone."""

import os
import signal
import sys
from collections.abc import Sequence

import numpy as np

from speechpipe_common.settings import load
from speechpipe_stt.engine import Audio, Engine, EngineError, SteppingEngine, Task, Transcription, Utterance
from speechpipe_stt.settings import SttSettings
from speechpipe_stt.worker import load_engine, run

TONE_HZ = 7000
"""Above nearly all of speech, below half the sample rate."""

SHARE = 0.2
"""Of the power of the whole, what the tone must have."""


def holds_tone(audio: Audio) -> bool:
    """Whether the tone is in it."""
    power = np.abs(np.fft.rfft(audio)) ** 2
    near = np.abs(np.fft.rfftfreq(len(audio), 1 / 16_000) - TONE_HZ) < 20
    return bool(power[near].sum() > SHARE * power.sum())


class Mortal:
    """An engine that dies of the tone."""

    def __init__(self, engine: Engine) -> None:
        assert isinstance(engine, SteppingEngine)
        self._engine = engine

    def transcribe(self, batch: Sequence[Utterance]) -> list[Transcription | EngineError]:
        """As the real one does, but for the tone."""
        _die_of_tone(batch)
        return self._engine.transcribe(batch)

    def prepare(self, batch: Sequence[Utterance]) -> list[Task | Transcription | EngineError]:
        """As the real one does, but for the tone."""
        _die_of_tone(batch)
        return self._engine.prepare(batch)

    def step(self, tasks: Sequence[Task]) -> list[Transcription | EngineError | Task]:
        """As the real one does."""
        return self._engine.step(tasks)


def _die_of_tone(batch: Sequence[Utterance]) -> None:
    if any(holds_tone(utterance.audio) for utterance in batch):
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(run(load(SttSettings), lambda settings: Mortal(load_engine(settings))))
