"""From votes on 32 ms chunks to onsets, pauses and ends: the INACTIVE → ACTIVE → SILENCE → INACTIVE machine.

Knows no audio and no clock but the number of samples it has been fed.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from speechpipe_gateway.session.config import SessionConfig

CHUNK: Final = 512
"""Samples in a chunk that is voted on (Silero's window at 16 kHz)."""


class State(Enum):
    """Where the speaker is."""

    INACTIVE = "inactive"
    ACTIVE = "active"
    SILENCE = "silence"


@dataclass(frozen=True, slots=True)
class Vote:
    """What the two VADs said about a chunk.

    Attributes:
        onset: both agree that speech begins.
        sustain: enough to go on speaking once speech has begun.
        soft: less than that, but perhaps a word: reason to decode again, none to hold the turn open.
        faint: much fainter than what came just before. Sustained speech may then be over: should silence follow, it is
            counted from the last chunk that was not faint.
    """

    onset: bool
    sustain: bool
    soft: bool
    faint: bool = False


@dataclass(frozen=True, slots=True)
class Opened:
    """There is enough speech for a segment, which begins at ``start``."""

    start: int


@dataclass(frozen=True, slots=True)
class Grew:
    """The open segment has audio up to ``position``."""

    position: int


@dataclass(frozen=True, slots=True)
class Paused:
    """The speaker has paused for the candidate's length; ``position`` is now."""

    position: int


@dataclass(frozen=True, slots=True)
class Resumed:
    """The pause was none."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The turn is over. ``soft`` when something that may have been speech came after the last ``Paused``."""

    position: int
    soft: bool


@dataclass(frozen=True, slots=True)
class TooLong:
    """The open segment has reached its longest length: cut it."""

    position: int


Event = Opened | Grew | Paused | Resumed | Ended | TooLong


class Endpointer:
    """The state machine of one session.

    Args:
        config: lengths.
        position: offset of the first sample that will be fed.
        floor: earliest offset at which a segment may begin (the end of the one before).
    """

    def __init__(self, config: SessionConfig, position: int, floor: int) -> None:
        self._config = config
        self.position = position
        self.floor = floor
        self.state = State.INACTIVE
        self.opened = False
        self.start = position
        self._voiced = 0
        self._last_speech = position
        self._paused = False
        self._soft = False

    def continue_segment(self, start: int) -> None:
        """Go on with a segment that another gateway opened at ``start``.

        It begins with what was kept in front of its onset: that silence is no pause, or the segment would end there.
        """
        self.state, self.opened, self.start = State.ACTIVE, True, start
        self._voiced, self._last_speech = self._config.min_speech, self.position + self._config.pre_speech

    def feed(self, vote: Vote) -> list[Event]:
        """The next chunk."""
        self.position += CHUNK
        if self.state is State.INACTIVE:
            return self._onset(vote) if vote.onset else []
        if vote.sustain:
            return self._speech(vote)
        self.state = State.SILENCE
        self._soft = self._soft or (self._paused and vote.soft)
        return self._silence()

    def _onset(self, vote: Vote) -> list[Event]:
        onset = self.position - CHUNK
        self.state = State.ACTIVE
        self.opened = False
        self.start = max(self.floor, onset - self._config.pre_speech, 0)
        self._voiced = 0
        self._last_speech = self.position
        return self._speech(vote)

    def _speech(self, vote: Vote) -> list[Event]:
        events: list[Event] = [Resumed()] if self._paused and self.opened else []
        self.state, self._paused, self._soft = State.ACTIVE, False, False
        self._voiced += CHUNK
        if not vote.faint:
            self._last_speech = self.position
        if not self.opened:
            if self._voiced < self._config.min_speech:
                return events
            self.opened = True
            events.append(Opened(self.start))
        events.append(Grew(self.position))
        if self.position - self.start >= self._config.longest:
            events.append(TooLong(self.position))
        return events

    def _silence(self) -> list[Event]:
        quiet = self.position - self._last_speech
        events: list[Event] = []
        if not self._paused and quiet >= self._config.candidate:
            self._paused = True
            if self.opened:
                events.append(Paused(self.position))
        if quiet >= self._config.silence:
            events += self.end()
        return events

    def end(self) -> list[Event]:
        """End the turn here, for silence or because somebody asked."""
        was_open, soft = self.opened, self._soft or not self._paused
        self.state, self.opened, self._paused, self._soft = State.INACTIVE, False, False, False
        return [Ended(self.position, soft)] if was_open else []

    def cut(self, at: int) -> None:
        """The open segment ends at ``at``, and the turn goes on from there; a segment opens with the next speech."""
        self.start = self.floor = at
        self.opened = self._last_speech > at
