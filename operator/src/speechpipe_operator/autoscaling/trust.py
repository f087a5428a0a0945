"""Whether the numbers of a backlog can be true: each is checked by another that Redis keeps on its own. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from speechpipe_operator.autoscaling.reading import Counters, ShardReading, Stream

DOUBTED_READS: Final = 3
"""So many disagreements in a row are no accident. One alone is never acted on."""


@dataclass(frozen=True, slots=True)
class Trust:
    """What is remembered from one read of a stage to the next."""

    run_ids: tuple[str, ...] = ()
    counters: tuple[Counters, ...] = field(default=())
    disagreements: int = 0
    """In a row."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a read is worth."""

    trusted: bool
    doubt: str
    """What disagrees, or what is odd though the numbers hold; empty where all is well."""


def judge(trust: Trust, readings: Sequence[ShardReading]) -> tuple[Verdict, Trust]:
    """Check one read of all shards, with what is remembered of those before.

    A disagreement costs the trust once it has stood for ``DOUBTED_READS`` reads. What is only odd (a restarted Redis, a
    lag that the server has miscounted) is said, and the numbers hold.
    """
    wrong = [f"{_where(reading)}{text}" for reading in readings for text in _disagreements(reading)]
    odd = [*_restarts(trust, readings), *(f"{_where(one)}{text}" for one in readings for text in _phantoms(one))]
    disagreements = min(DOUBTED_READS, trust.disagreements + 1) if wrong else 0
    new = Trust(
        tuple(reading.run_id for reading in readings), tuple(reading.counters for reading in readings), disagreements
    )
    return Verdict(disagreements < DOUBTED_READS, "; ".join([*wrong, *odd])), new


def _disagreements(reading: ShardReading) -> Iterator[str]:
    for name, stream in _streams(reading):
        if stream.length < stream.pending:
            yield f"workers hold {stream.pending} {name}, but the stream has {stream.length}: it was trimmed"
        elif stream.lost:
            yield f"workers hold {name} that are no longer in the stream: it was trimmed"
        elif stream.lag is not None and stream.lag != stream.undelivered and not _is_phantom(stream):
            yield f"{stream.undelivered} {name} should be undelivered, but Redis counts {stream.lag}"


def _phantoms(reading: ShardReading) -> Iterator[str]:
    for name, stream in _streams(reading):
        if _is_phantom(stream):
            yield (
                f"Redis counts {stream.lag} undelivered {name} in a stream of {stream.length}; its count is not used"
                " (Redis 7.0.0 to 7.4.1 miscount after a trim)"
            )


def _is_phantom(stream: Stream) -> bool:
    """Whether the lag can't be true, as it is more than the stream holds, or negative."""
    return stream.lag is not None and not 0 <= stream.lag <= stream.length


def _restarts(trust: Trust, readings: Sequence[ShardReading]) -> Iterator[str]:
    if len(trust.run_ids) != len(readings):
        return
    for before, counters, reading in zip(trust.run_ids, trust.counters, readings, strict=True):
        restarted = before != reading.run_id
        if reading.counters.went_back(counters):
            how = "restarted and lost data" if restarted else "lost data"
            yield f"{_where(reading)}Redis {how}: its counters went back"
        elif restarted:
            yield f"{_where(reading)}Redis restarted with its data"


def _streams(reading: ShardReading) -> Iterator[tuple[str, Stream]]:
    yield "jobs", reading.finals
    yield "partials", reading.partials


def _where(reading: ShardReading) -> str:
    return f"shard {reading.shard}: " if reading.shard else ""
