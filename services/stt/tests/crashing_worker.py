"""The real worker with an engine that dies on one utterance: samples that begin with the marker kill the process."""

import os
import signal
import sys
from collections.abc import Sequence

import numpy as np

from speechpipe_common.settings import load
from speechpipe_stt.engine import Engine, EngineError, SteppingEngine, Task, Transcription, Utterance
from speechpipe_stt.settings import SttSettings
from speechpipe_stt.worker import load_engine, run

MARKER = np.tile(np.array([0.5, -0.5], np.float32), 100)


class Crashing:
    """Passes on what is no poison."""

    def __init__(self, engine: Engine) -> None:
        assert isinstance(engine, SteppingEngine)
        self._engine = engine

    def transcribe(self, batch: Sequence[Utterance]) -> list[Transcription | EngineError]:
        """Die, or decode."""
        self._die_of(batch)
        return self._engine.transcribe(batch)

    @property
    def batch_size(self) -> int:
        """As the real one's on a CPU."""
        return 16

    def prepare(self, batch: Sequence[Utterance]) -> list[Task | Transcription | EngineError]:
        """Die, or prepare."""
        self._die_of(batch)
        return self._engine.prepare(batch)

    def step(self, tasks: Sequence[Task]) -> list[Transcription | EngineError | Task]:
        """Decode."""
        return self._engine.step(tasks)

    @staticmethod
    def _die_of(batch: Sequence[Utterance]) -> None:
        if any(np.array_equal(utterance.audio[: len(MARKER)], MARKER) for utterance in batch):
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(run(load(SttSettings), lambda settings: Crashing(load_engine(settings))))
