"""What a gateway that takes a session over makes of what Redis knows: where to listen from, and what is still owed."""

from dataclasses import dataclass

import msgspec

from speechpipe_common.messages import Delivery, SegmentRecord, Transcript
from speechpipe_common.store import StoredSession
from speechpipe_gateway.session.config import Options
from speechpipe_gateway.session.ledger import entry_key


@dataclass(frozen=True, slots=True)
class Restored:
    """A session to go on with.

    Attributes:
        position: session offset of the first sample that the client must send again.
        listen_from: offset up to which all audio belongs to segments that are cut already.
        closed: segments that wait for their final, by start.
        open: the segment that was growing, if any.
        had: results that the client received.
        missed: results that it did not, oldest first.
        options: languages and hints.
        language: detected and believed language.
    """

    position: int
    listen_from: int
    closed: tuple[SegmentRecord, ...]
    open: SegmentRecord | None
    had: tuple[Delivery, ...]
    missed: tuple[Delivery, ...]
    options: Options
    language: str | None


def restore(stored: StoredSession, cursor: str, earliest: int) -> Restored:
    """Work out where a session stands.

    Args:
        stored: all that Redis knows of it.
        cursor: the client's last result.
        earliest: first session offset of which the client still has the audio.
    """
    after = entry_key(cursor)
    had = tuple(d for d in stored.results if entry_key(d.id) <= after)
    missed = tuple(d for d in stored.results if entry_key(d.id) > after)
    finals = {d.body.segment: d.body for d in stored.results if isinstance(d.body, Transcript)}
    records = [r for r in stored.segments if r.start not in finals]
    closed, growing = _split(records)
    position = max(int(stored.fields.get("acked", "0")), earliest)
    ends = [position, *(r.end for r in closed if r.end is not None), *(f.end for f in finals.values())]
    fields = stored.fields
    return Restored(
        position=position,
        listen_from=max(ends),
        closed=tuple(closed),
        open=growing if growing is not None and growing.start >= max(ends[1:], default=0) else None,
        had=had,
        missed=missed,
        options=Options(
            source=fields.get("source") or None,
            targets=tuple(filter(None, fields.get("targets", "").split(","))),
            prompt=fields.get("prompt", ""),
            hotwords=fields.get("hotwords", ""),
            words=bool(fields.get("words", "1")),
        ),
        language=fields.get("language") or None,
    )


def _split(records: list[SegmentRecord]) -> tuple[list[SegmentRecord], SegmentRecord | None]:
    """Closed segments and the growing one; an unfinished record in front of another ends where that begins."""
    closed: list[SegmentRecord] = []
    for index, record in enumerate(records):
        if record.end is not None:
            closed.append(record)
        elif index + 1 < len(records):
            closed.append(msgspec.structs.replace(record, end=records[index + 1].start))
        else:
            return closed, record
    return closed, None
