"""What a session tells its caller: one class for each kind of event, made to be matched.

They are the messages of the protocol under the names of what they mean, and two that only a client can tell: that the
connection was lost, and that it is back.
"""

from dataclasses import dataclass

import msgspec

from speechpipe_client.errors import SpeechpipeError
from speechpipe_common.wire import Error, FinalCaption, Ready, Realtime, SpeechStarted, Translation


class Opened(Ready, frozen=True, kw_only=True, tag="ready"):
    """The session is open. ``session_id`` is its name in the logs and traces of the gateway."""


class Back(Ready, frozen=True, kw_only=True, tag="ready"):
    """The connection is back, perhaps to another gateway, and the session goes on: nothing that was sent is lost."""

    away_seconds: float
    """Since ``Lost``."""


class Partial(Realtime, frozen=True, kw_only=True, tag="realtime"):
    """What has been heard of a segment that somebody still speaks.

    ``text`` is ``committed``, which only grows until the final, followed by ``tail``, which may change.
    """


class Final(FinalCaption, frozen=True, kw_only=True, tag="final"):
    """The caption of a segment, which comes exactly once; no partial of the segment follows it.

    ``start``, ``end`` and the times of ``words`` are seconds from the start of the session. ``continues`` says that the
    speaker had not paused. An empty ``text`` says that there was no speech after all.
    """


class Problem(Error, frozen=True, kw_only=True, tag="error"):
    """Something went wrong and the session goes on: ``message`` says what, and ``code`` names it for programs.

    With ``segment_id`` that segment has no final; with ``language`` as well, only no translation into it.
    """


@dataclass(frozen=True, slots=True)
class Lost:
    """The connection was lost; the session tries to come back, and audio may be sent on meanwhile."""

    error: SpeechpipeError
    """Why, and what is raised if it cannot come back in time."""

    @property
    def message(self) -> str:
        """Why, in a sentence."""
        return str(self.error)


Event = Opened | Lost | Back | SpeechStarted | Partial | Final | Translation | Problem
"""What a caller gets from a session."""


def event_of(message: SpeechStarted | Realtime | FinalCaption | Translation | Error) -> Event:
    """The event that a message of the gateway is."""
    match message:
        case Realtime():
            return Partial(**msgspec.structs.asdict(message))
        case FinalCaption():
            return Final(**msgspec.structs.asdict(message))
        case Error():
            return Problem(**msgspec.structs.asdict(message))
        case _:
            return message


def opened(ready: Ready) -> Opened:
    """The event that the first ``ready`` of a session is."""
    return Opened(**msgspec.structs.asdict(ready))


def back(ready: Ready, away_seconds: float) -> Back:
    """The event that a later ``ready`` is."""
    return Back(**msgspec.structs.asdict(ready), away_seconds=away_seconds)
