"""What one stream says: clips in an order of its own with pauses between them, frame by frame. Pure."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

RATE: Final = 16_000
"""Hz; all streams send mono PCM16LE at this rate."""

PAUSE_SPREAD: Final = 0.25
"""Pauses differ by as much of their mean, so that streams that began together do not stay together."""


@dataclass(frozen=True, slots=True)
class Framing:
    """How audio is cut for the wire."""

    milliseconds: int = 100

    @property
    def seconds(self) -> float:
        """Length of a frame."""
        return self.milliseconds / 1000

    @property
    def size(self) -> int:
        """Bytes of a frame."""
        return 2 * RATE * self.milliseconds // 1000

    def cut(self, pcm: bytes) -> tuple[bytes, ...]:
        """Whole frames; the last one is filled up with zeros."""
        padded = pcm + bytes(-len(pcm) % self.size)
        return tuple(padded[begin : begin + self.size] for begin in range(0, len(padded), self.size))


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """Something that is said; all streams share its frames. ``onset`` and ``end`` of speech are seconds within it."""

    name: str
    language: str
    text: str
    """Empty where nobody wrote it down."""
    frames: tuple[bytes, ...] = field(repr=False)
    onset: float
    end: float


@dataclass(frozen=True, slots=True)
class Said:
    """A clip at its place in a stream's audio."""

    clip: Clip
    begin: float
    """Seconds from the stream's first sample to the clip's."""

    @property
    def onset(self) -> float:
        """Where speech begins, in seconds of the stream's audio."""
        return self.begin + self.clip.onset

    @property
    def end(self) -> float:
        """Where speech ends."""
        return self.begin + self.clip.end


class Talker:
    """Gives out a stream's frames for as long as they are taken.

    Args:
        clips: what is said, in an order that ``dice`` chooses, again and again.
        framing: how the clips were cut.
        pause: mean seconds of silence before each clip.
        dice: this stream's own.
    """

    def __init__(self, clips: Sequence[Clip], framing: Framing, pause: float, dice: random.Random) -> None:
        self.said: list[Said] = []
        """What was begun, in order."""
        self.taken = 0
        """Frames given out."""
        self._clips = clips
        self._framing = framing
        self._pause = pause
        self._dice = dice
        self._silence = bytes(framing.size)
        self._ending = False
        self._coming = self._speak()

    @property
    def position(self) -> float:
        """Seconds of audio given out."""
        return self.taken * self._framing.seconds

    @property
    def winding_up(self) -> bool:
        """Whether nothing new is begun."""
        return self._ending

    @property
    def silent(self) -> bool:
        """Whether nothing is left to say after ``wind_up``: only silence comes."""
        return self._ending and (not self.said or self.position >= self.said[-1].end)

    def take(self) -> bytes:
        """The next frame."""
        frame = next(self._coming)
        self.taken += 1
        return frame

    def wind_up(self) -> None:
        """Begin nothing new; what is being said is said to its end."""
        self._ending = True

    def _speak(self) -> Iterator[bytes]:
        while True:
            for clip in self._dice.sample(self._clips, len(self._clips)):
                spread = self._dice.uniform(1 - PAUSE_SPREAD, 1 + PAUSE_SPREAD)
                for _ in range(max(1, round(self._pause * spread / self._framing.seconds))):
                    yield self._silence
                while self._ending:
                    yield self._silence
                self.said.append(Said(clip, self.position))
                yield from clip.frames
