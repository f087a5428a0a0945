"""What one stream heard, with the times at which it came. Pure: the clock is passed in."""

from dataclasses import dataclass, field
from math import isnan
from typing import Final

from speechpipe_client.inbox import Event
from speechpipe_client.load.talker import RATE, Said
from speechpipe_common.wire import Error, FinalCaption, Ready, Realtime, ServerMessage

EDGE_SECONDS: Final = 0.5
"""A final reaches the end of speech when it ends no more than this before it."""

Told = Event | ServerMessage
"""What a peer says of a stream: an event of the library, or the message of a peer that it does not speak to."""


@dataclass(frozen=True, slots=True)
class HeardFinal:
    """A final. ``start`` and ``end`` are seconds of the stream's audio; None from a peer that does not tell."""

    at: float
    text: str
    start: float | None = None
    end: float | None = None


@dataclass(frozen=True, slots=True)
class HeardPartial:
    """A partial; ``position`` is where its segment begins, None from a peer that does not tell."""

    at: float
    segment: str
    position: float | None = None


@dataclass(slots=True)
class Record:
    """Everything that counts about one stream."""

    began: float | None = None
    """When its first sample was spoken; sample ``n`` is spoken ``n / RATE`` seconds later, whether it is sent in time
    or not, so that a load that falls behind shows longer waits and not shorter ones."""
    finals: list[HeardFinal] = field(default_factory=list)
    partials: list[HeardPartial] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    resumed: int = 0
    cut: int = 0

    def hear(self, now: float, event: Told) -> None:
        """Take an event of the native protocol into account; NaN stands for times that a peer does not tell."""
        match event:
            case FinalCaption():
                self.finals.append(HeardFinal(now, event.text.strip(), _told(event.start), _told(event.end)))
            case Realtime():
                self.partials.append(HeardPartial(now, event.segment_id, _position(event.segment_id)))
            case Ready(resumed=True):
                self.resumed += 1
            case Error():
                self.problems.append(f"{event.code}: {event.message}")

    def answered(self, said: list[Said]) -> bool:
        """Whether the final of the last thing that was said is there."""
        if not said:
            return True
        timed = [final.end for final in self.finals if final.end is not None]
        if timed or not self.finals:
            return max(timed, default=-1.0) >= said[-1].end - EDGE_SECONDS
        return sum(1 for final in self.finals if final.text) >= len(said)


def _told(seconds: float) -> float | None:
    return None if isnan(seconds) else seconds


def _position(segment: str) -> float | None:
    """Seconds: a segment's id is the sample of the session at which it begins."""
    return int(segment) / RATE if segment.isdecimal() else None
