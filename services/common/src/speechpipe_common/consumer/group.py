"""One worker's part in a consumer group: the Redis commands of the loop, and nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from redis.asyncio import Redis
from redis.commands.core import AsyncScript
from redis.exceptions import ResponseError

from speechpipe_common.consumer.delivery import Overdue, is_missing_group
from speechpipe_common.keys import Keys
from speechpipe_common.store import JobRef

HANDED_BACK_IDLE_MS: Final = 30 * 24 * 3600 * 1000
"""Idle time given to a job that is handed back: beyond any claim idle time, so that the next look takes it."""

CORDON_SEEN: Final = b"seen"
"""Value of a cordon whose worker takes no more jobs."""

_HOLD: Final = """
-- Sets the idle time of the jobs that are still this consumer's; what a peer has taken meanwhile stays the peer's.
-- KEYS: stream   ARGV: group, consumer, idle ms, '1' to take back the last delivery, entries...
local held, taken = {}, {}
for i = 5, #ARGV do
  local found = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1)[1]
  if found and found[2] == ARGV[2] then
    local count = math.max(0, found[4] - tonumber(ARGV[4]))
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[i], 'IDLE', ARGV[3], 'RETRYCOUNT', count, 'JUSTID')
    held[#held + 1] = ARGV[i]
  elseif found then
    taken[#taken + 1] = ARGV[i]
  end
end
return {held, taken}
"""

_LEAVE: Final = """
-- Deletes a consumer unless it holds jobs: deleting it would delete them too.
-- KEYS: stream   ARGV: group, consumer
if #redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 1, ARGV[2]) > 0 then return 0 end
redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
return 1
"""

_DELETE_SILENT: Final = """
-- Deletes consumers that have been silent for long and hold nothing.
-- KEYS: stream   ARGV: group, least idle ms
local gone = {}
for _, flat in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local consumer = {}
  for i = 1, #flat, 2 do consumer[flat[i]] = flat[i + 1] end
  if consumer.pending == 0 and consumer.idle >= tonumber(ARGV[2]) then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], consumer.name)
    gone[#gone + 1] = consumer.name
  end
end
return gone
"""


@dataclass(frozen=True, slots=True)
class Delivered:
    """A job as it came from the stream."""

    ref: JobRef
    payload: bytes | None
    """None when the entry has no ``job`` field."""
    deliveries: int
    """How often it was delivered, this time included."""
    context: str = ""
    """Of the span that submitted it, where that is recorded."""


class Group:
    """Reads, claims and keeps jobs of some streams for one consumer of their group.

    Every method may raise ``redis.RedisError``; NOGROUP means that ``create`` is due.
    """

    def __init__(self, redis: Redis, streams: Sequence[str], group: str, consumer: str, keys: Keys) -> None:
        self.streams = tuple(streams)
        self._redis = redis
        self._group = group
        self._consumer = consumer
        self._load = keys.load(group)
        self._cordon = keys.cordon(group, consumer)
        self._hold = redis.register_script(_HOLD)
        self._leave = redis.register_script(_LEAVE)
        self._delete_silent = redis.register_script(_DELETE_SILENT)

    async def create(self) -> None:
        """Create each stream and the group on it, from the stream's first entry; what exists stays as it is."""
        for stream in self.streams:
            try:
                await self._redis.xgroup_create(stream, self._group, id="0", mkstream=True)
            except ResponseError as error:
                if not str(error).startswith("BUSYGROUP"):
                    raise

    async def read(self, count: int, block_ms: int) -> list[list[Delivered]]:
        """New jobs: from the first stream that has any, or else the first to come within ``block_ms``.

        Returns:
            Lists of at most ``count`` jobs of one stream each, the more urgent stream first. Normally there is one; two
            when jobs of two streams arrive between the look and the wait.
        """
        for stream in self.streams:
            if batches := await self._read([stream], count, None):
                return batches
        return await self._read(self.streams, count, block_ms)

    async def _read(self, streams: Sequence[str], count: int, block_ms: int | None) -> list[list[Delivered]]:
        reply: Any = await self._redis.xreadgroup(
            self._group, self._consumer, dict.fromkeys(streams, ">"), count=count, block=block_ms
        )
        batches = {name.decode(): entries for name, entries in reply or []}
        return [
            [self._delivered(name, entry, fields, 1) for entry, fields in batches[name]]
            for name in streams
            if name in batches
        ]

    async def overdue(self, stream: str, idle_seconds: float, count: int) -> list[Overdue]:
        """The oldest ``count`` jobs without a sign of life for so long."""
        found: Any = await self._redis.xpending_range(
            stream, self._group, min="-", max="+", count=count, idle=round(idle_seconds * 1000)
        )
        return [Overdue(entry["message_id"].decode(), entry["times_delivered"]) for entry in found]

    async def claim(self, stream: str, job: Overdue, idle_seconds: float) -> Delivered | None:
        """Take an overdue job over; None when a peer was first or it is settled."""
        found: Any = await self._redis.xclaim(
            stream, self._group, self._consumer, round(idle_seconds * 1000), [job.entry]
        )
        for entry, fields in found:
            return self._delivered(stream, entry, fields, job.deliveries + 1)
        return None

    async def keep_alive(self, refs: Sequence[JobRef]) -> tuple[set[JobRef], set[JobRef]]:
        """Give a sign of life for jobs in work: those that are this consumer's, and those that a peer has taken."""
        return await self._set_idle(refs, 0, refund=False)

    async def hand_back(self, refs: Sequence[JobRef], *, refund: bool) -> set[JobRef]:
        """Leave jobs to whoever looks next; returns those that were unsettled and this consumer's.

        The delivery count stays, or with ``refund`` loses this delivery, where the job had no part in the failure.
        """
        held, _ = await self._set_idle(refs, HANDED_BACK_IDLE_MS, refund=refund)
        return held

    async def _set_idle(self, refs: Sequence[JobRef], idle_ms: int, *, refund: bool) -> tuple[set[JobRef], set[JobRef]]:
        held: set[JobRef] = set()
        taken: set[JobRef] = set()
        for stream in self.streams:
            entries = {ref.entry: ref for ref in refs if ref.stream == stream}
            if entries:
                args: list[str | int] = [self._consumer, idle_ms, int(refund), *entries]
                ours, theirs = await self._run(self._hold, stream, args) or ((), ())
                held.update(entries[entry.decode()] for entry in ours)
                taken.update(entries[entry.decode()] for entry in theirs)
        return held, taken

    async def leave(self) -> None:
        """Leave the group on every stream where this consumer holds nothing."""
        for stream in self.streams:
            await self._run(self._leave, stream, [self._consumer])

    async def delete_silent(self, idle_seconds: float) -> list[str]:
        """Delete consumers that hold nothing and have been silent for so long; returns their names."""
        gone: list[bytes] = []
        for stream in self.streams:
            gone += await self._run(self._delete_silent, stream, [round(idle_seconds * 1000)]) or ()
        return [name.decode() for name in gone]

    async def is_cordoned(self) -> bool:
        """Whether this worker is to take no more jobs."""
        return bool(await self._redis.exists(self._cordon))

    async def say_cordon_seen(self) -> bool:
        """Tell whoever cordoned this worker that it takes no more; False where the cordon is gone meanwhile."""
        return bool(await self._redis.set(self._cordon, CORDON_SEEN, xx=True, keepttl=True))

    async def add_busy(self, milliseconds: int) -> None:
        """Count time that this worker was at work."""
        await self._redis.hincrby(self._load, "busy_ms", milliseconds)

    async def _run(self, script: AsyncScript, stream: str, args: Sequence[str | int]) -> Any:  # noqa: ANN401 - a reply
        """Run a script on one stream; None when the stream or the group is gone, and all its jobs with it."""
        try:
            return await script(keys=[stream], args=[self._group, *args])
        except ResponseError as error:
            if not is_missing_group(error):
                raise
            return None

    def _delivered(self, stream: str, entry: bytes, fields: dict[bytes, bytes], deliveries: int) -> Delivered:
        ref = JobRef(stream, self._group, entry.decode())
        context = fields.get(b"trace", b"").decode("ascii", "replace")
        return Delivered(ref, fields.get(b"job"), deliveries, context)
