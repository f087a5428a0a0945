"""What the worker asks of a speech recogniser: a batch of utterances in, a result or an error for each out."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Audio = NDArray[np.float32]
"""Mono samples at 16 kHz in [-1, 1], shape (n,)."""


@dataclass(frozen=True, slots=True, eq=False)
class Utterance:
    """Speech to decode, and how much effort it deserves."""

    audio: Audio
    language: str | None = None
    """Whisper's code of the spoken language ("en", "zh"), or None: detect it."""
    prompt: str = ""
    hotwords: str = ""
    beam_size: int = 5
    fallback: bool = True
    """Decode again at higher temperatures what came out improbable or repetitive."""
    word_timestamps: bool = True

    @property
    def seconds(self) -> float:
        """Length of the audio."""
        return len(self.audio) / 16_000


@dataclass(frozen=True, slots=True)
class HeardWord:
    """A word with its times in seconds from the start of the utterance."""

    text: str
    start: float
    end: float
    probability: float


@dataclass(frozen=True, slots=True)
class Transcription:
    """What was heard; ``text`` is empty when there was no speech.

    ``language`` is empty, with probability 0, when it was neither given nor could be detected for want of speech.
    Words come only when asked for; their times lie within the utterance and never go back.
    """

    text: str
    language: str
    language_probability: float
    words: tuple[HeardWord, ...] = field(default=())


class EngineError(Exception):
    """One utterance could not be decoded and never will be (a language that the model lacks, audio of a wrong shape).

    Returned in the utterance's place, so that its batch-mates get their results.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class ModelError(RuntimeError):
    """The model cannot be had or loaded; the message says what to do."""


class Engine(Protocol):
    """A loaded model. Calls block for as long as decoding takes and come from one thread at a time."""

    def transcribe(self, batch: Sequence[Utterance]) -> list[Transcription | EngineError]:
        """One outcome for each utterance, in order.

        Raises:
            Exception: the engine itself failed (out of memory, lost device): nothing is known of any item.
        """
        ...


class Task(Protocol):
    """An utterance on its way through a ``SteppingEngine``."""

    @property
    def group(self) -> Hashable:
        """Tasks of equal groups can be decoded in one call."""
        ...

    @property
    def seconds(self) -> float:
        """Seconds of audio that its next call decodes, the window's empty rest included."""
        ...


@runtime_checkable
class SteppingEngine(Engine, Protocol):
    """An engine that decodes many utterances at a time, and whose failed attempts come again as tasks.

    A task that comes back belongs into a later call, so that an utterance which needs several attempts delays none
    that needs one.
    """

    @property
    def batch_size(self) -> int:
        """Utterances of one call that pay: with more, a call takes longer and hardly does more in a second."""
        ...

    def prepare(self, batch: Sequence[Utterance]) -> list[Task | Transcription | EngineError]:
        """What each utterance needs of the model: a task, or nothing. Calls may overlap, and run beside ``step``."""
        ...

    def step(self, tasks: Sequence[Task]) -> list[Transcription | EngineError | Task]:
        """Decode tasks of one group together; an outcome for each, in order, or the task of its next attempt.

        Raises:
            Exception: the engine itself failed: nothing is known of any item.
        """
        ...
