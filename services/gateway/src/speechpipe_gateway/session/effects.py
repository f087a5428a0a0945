"""What the session core asks of the world; carried out in order by whoever drives it."""

from collections.abc import Mapping
from dataclasses import dataclass

from speechpipe_common.messages import AudioJob, SegmentRecord, TextJob
from speechpipe_common.wire import ServerMessage


@dataclass(frozen=True, slots=True)
class Send:
    """Say this to the client."""

    message: ServerMessage
    waited: float | None = None
    """Seconds since the speech that a caption answers to came; None for what answers to none, or where that is
    not known."""


@dataclass(frozen=True, slots=True)
class Submit:
    """See that the audio of the job is in Redis, then put the job on its stream.

    ``record`` is what to keep of the segment for others, None where that is kept already. ``mend`` says that what
    Redis holds is doubted: look at its length first.
    """

    job: AudioJob
    record: SegmentRecord | None
    previous: str = ""
    mend: bool = False
    again: bool = False
    """The result did not come in time."""


@dataclass(frozen=True, slots=True)
class SubmitText:
    """Put a translation job on its stream."""

    job: TextJob
    previous: str = ""
    samples: int = 0
    """Length of the audio that a final's text comes from."""


@dataclass(frozen=True, slots=True)
class Promote:
    """Make the candidate ``(segment, rev)`` the final, and the segment one that has ended."""

    segment: int
    rev: int
    record: SegmentRecord


@dataclass(frozen=True, slots=True)
class Release:
    """Delete these audio blocks of a turn: every segment in them is final."""

    turn: int
    blocks: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Replay:
    """Read the results after the cursor: something is done that this gateway has not heard of."""


@dataclass(frozen=True, slots=True)
class Save:
    """Write these fields of the session's hash."""

    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Close:
    """Close the connection after what was sent before; ``finished`` when nothing is left to do for the session."""

    code: int
    reason: str
    finished: bool = False


Effect = Send | Submit | SubmitText | Promote | Release | Replay | Save | Close
