"""What one shard says of one stage at one moment, as values, and the backlog that all shards add up to. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from speechpipe_common.keys import STT_GROUP, TRANSLATION_GROUP, Keys
from speechpipe_operator.autoscaling.types import Backlog


@dataclass(frozen=True, slots=True)
class Stage:
    """Where the jobs of a stage lie, on every shard alike."""

    group: str
    finals: str
    partials: str
    load: str
    """Hash of the stage's counters."""

    @classmethod
    def stt(cls, keys: Keys) -> Self:
        """The stage that turns speech into text."""
        return cls(STT_GROUP, keys.audio_jobs, keys.audio_partials, keys.load(STT_GROUP))

    @classmethod
    def translation(cls, keys: Keys) -> Self:
        """The stage that translates."""
        return cls(TRANSLATION_GROUP, keys.transcriptions, keys.text_partials, keys.load(TRANSLATION_GROUP))


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream and its group, from replies of one transaction."""

    length: int = 0
    pending: int = 0
    lag: int | None = None
    """Redis' own count of what is undelivered; None where it does not know (after an XDEL ahead of the group)."""
    first_ms: int | None = None
    """Unix time of the first entry, milliseconds; jobs that are settled are deleted, so it is the oldest unsettled."""
    lost: bool = False
    """Workers hold entries that are no longer in the stream: it was trimmed."""

    @property
    def undelivered(self) -> int:
        """Entries that no worker has taken; never below 0."""
        return max(0, self.length - self.pending)

    @classmethod
    def of(
        cls,
        info: Mapping[str, Any] | None,
        groups: Sequence[Mapping[str, Any]] | None,
        pending: Mapping[str, Any] | None,
        group: str,
    ) -> Self:
        """From ``XINFO STREAM``, ``XINFO GROUPS`` and ``XPENDING``, as redis-py parses them; None for what is missing.

        Without the group all entries are undelivered, for whoever creates it gives it the stream from its beginning.
        """
        if info is None:
            return cls()
        first = _id(info["first-entry"][0]) if info["first-entry"] else None
        ours = next((item for item in groups or () if _text(item["name"]) == group), None)
        if ours is None:
            return cls(length=info["length"], first_ms=first and first[0])
        oldest = _id(pending["min"]) if pending and pending["min"] else None
        return cls(
            length=info["length"],
            pending=ours["pending"],
            lag=ours.get("lag"),
            first_ms=first and first[0],
            lost=oldest is not None and (first is None or oldest < first),
        )


@dataclass(frozen=True, slots=True)
class Counters:
    """The load counters of a stage: work in milliseconds of audio, busy time in milliseconds."""

    arrived_ms: int = 0
    arrived_jobs: int = 0
    done_ms: int = 0
    busy_ms: int = 0

    def went_back(self, before: "Counters") -> bool:
        """Whether any is lower than ``before``."""
        return (
            self.arrived_ms < before.arrived_ms
            or self.arrived_jobs < before.arrived_jobs
            or self.done_ms < before.done_ms
            or self.busy_ms < before.busy_ms
        )


@dataclass(frozen=True, slots=True)
class ConsumerState:
    """One worker's part in its group: its jobs on all streams and shards, and how long it has been silent."""

    pending: int
    idle_seconds: float
    """Since it last asked for anything, on the stream and shard where that was last."""


@dataclass(frozen=True, slots=True)
class Consumers:
    """The workers that the group knows, by instance id; those that died are among them until they are forgotten."""

    states: Mapping[str, ConsumerState] = field(default_factory=dict)

    def pending(self, name: str) -> int:
        """Jobs that this worker holds; 0 where the group does not know it."""
        state = self.states.get(name)
        return 0 if state is None else state.pending

    def with_replies(self, replies: Sequence[Mapping[str, Any]]) -> "Consumers":
        """These and those of an ``XINFO CONSUMERS``."""
        states = dict(self.states)
        for reply in replies:
            name, pending, idle = _text(reply["name"]), reply["pending"], reply["idle"] / 1000
            known = states.get(name, ConsumerState(0, idle))
            states[name] = ConsumerState(known.pending + pending, min(known.idle_seconds, idle))
        return Consumers(states)


@dataclass(frozen=True, slots=True)
class ShardReading:
    """One shard at one moment."""

    shard: int
    run_id: str
    now_ms: int
    """The server's unix time."""
    finals: Stream
    partials: Stream
    counters: Counters

    @property
    def oldest_seconds(self) -> float:
        """Age of the oldest unsettled final by the server's own clock, which also gave the entry its id."""
        return 0.0 if self.finals.first_ms is None else max(0, self.now_ms - self.finals.first_ms) / 1000


def add_up(readings: Sequence[ShardReading], trusted: bool, doubt: str) -> Backlog:
    """The backlog of a stage over all its shards."""
    return Backlog(
        undelivered=sum(each.finals.undelivered for each in readings),
        pending=sum(each.finals.pending for each in readings),
        partials=sum(each.partials.undelivered + each.partials.pending for each in readings),
        oldest_seconds=max((each.oldest_seconds for each in readings), default=0.0),
        arrived_work=sum(each.counters.arrived_ms for each in readings) / 1000,
        arrived_jobs=sum(each.counters.arrived_jobs for each in readings),
        done_work=sum(each.counters.done_ms for each in readings) / 1000,
        busy_seconds=sum(each.counters.busy_ms for each in readings) / 1000,
        trusted=trusted,
        doubt=doubt,
    )


def _id(entry: bytes | str) -> tuple[int, int]:
    milliseconds, _, sequence = _text(entry).partition("-")
    return int(milliseconds), int(sequence or 0)


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
