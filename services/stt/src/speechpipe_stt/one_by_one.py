"""Any engine as a stepping one: each utterance a call of its own."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Final

from speechpipe_stt.engine import Engine, EngineError, Task, Transcription, Utterance

_WINDOW_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True, eq=False)
class Whole:
    """An utterance that is decoded to its end in one call."""

    utterance: Utterance

    @property
    def group(self) -> Hashable:
        """Itself."""
        return id(self)

    @property
    def seconds(self) -> float:
        """Whole windows of 30 s."""
        return _WINDOW_SECONDS * max(1.0, -(-self.utterance.seconds // _WINDOW_SECONDS))


class OneByOne:
    """Calls an engine for one utterance at a time, so that none waits for another's end."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def batch_size(self) -> int:
        """One."""
        return 1

    def transcribe(self, batch: Sequence[Utterance]) -> list[Transcription | EngineError]:
        """See ``Engine``."""
        return self._engine.transcribe(batch)

    def prepare(self, batch: Sequence[Utterance]) -> list[Task | Transcription | EngineError]:
        """See ``SteppingEngine``."""
        return [Whole(utterance) for utterance in batch]

    def step(self, tasks: Sequence[Task]) -> list[Transcription | EngineError | Task]:
        """See ``SteppingEngine``."""
        return [*self._engine.transcribe([task.utterance for task in tasks if isinstance(task, Whole)])]
