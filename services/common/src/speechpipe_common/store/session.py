"""What a gateway writes to and reads from Redis about the sessions that it owns; every write carries its epoch."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast

from redis.asyncio import Redis

from speechpipe_common.keys import (
    AUDIO_TTL_SECONDS,
    BLOCK_SAMPLES,
    SAMPLE_BYTES,
    SAMPLE_RATE,
    SESSION_TTL_SECONDS,
    STT_GROUP,
    TRANSLATION_GROUP,
    Keys,
    done_member,
)
from speechpipe_common.messages import AudioJob, Delivery, SegmentRecord, TextJob, decode, encode
from speechpipe_common.store.scripts import Arg
from speechpipe_common.store.together import ScriptsTogether

Submitted = Literal["ok", "done", "queued", "shed"]
Promoted = Literal["final", "wanted", "done"]
Presence = Literal["driven", "away", "over"]
"""Of a session: a gateway drives it; nothing is owed, and its client is away but may come back; it was stopped."""


class FencedError(Exception):
    """Another gateway owns the session now; this one must let go of it."""


class SessionLostError(Exception):
    """Redis no longer knows the session (it lost its last writes); restore it, then try again."""


class ResumeDeniedError(Exception):
    """The session is unknown, or the token or key is not the one that it belongs to."""


@dataclass(frozen=True, slots=True)
class StoredSession:
    """A session as it stands in Redis."""

    epoch: int
    fields: Mapping[str, str]
    segments: tuple[SegmentRecord, ...]
    """Segments without a committed final, by start."""
    results: tuple[Delivery, ...]
    """Everything on the replay stream, oldest first."""


def _check(status: bytes) -> str:
    text = status.decode()
    if text == "fenced":
        raise FencedError
    if text == "lost":
        raise SessionLostError
    return text


class SessionStore:
    """Reads and fenced writes of a gateway.

    Every method may raise ``redis.RedisError``, and writes ``FencedError`` or ``SessionLostError``. All writes may be
    repeated after an error: appends are conditional on the length, submissions on the previous entry, finals on the
    ``done`` set.
    """

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis = redis
        self._keys = keys
        self._scripts = ScriptsTogether(redis)

    async def open(
        self, client: str, epoch: int, now: float, fields: Mapping[str, str], done: Sequence[str] = ()
    ) -> None:
        """Create the session, or restore it with what this gateway knows to be done."""
        flat = [part for pair in fields.items() for part in pair]
        keys = [self._keys.session(client), self._keys.sessions, self._keys.done(client)]
        args: list[Arg] = [client, epoch, now, SESSION_TTL_SECONDS, len(done), *done, *flat]
        _check(await self._scripts.run("open", keys, args))

    async def save(self, client: str, epoch: int, now: float, fields: Mapping[str, str]) -> None:
        """Heartbeat: keep the session's keys alive and write changed fields."""
        names = self._keys
        keys = [
            names.session(client),
            names.sessions,
            names.results(client),
            names.segments(client),
            names.candidates(client),
            names.done(client),
        ]
        flat = [part for pair in fields.items() for part in pair]
        _check(await self._scripts.run("save", keys, [client, epoch, now, SESSION_TTL_SECONDS, *flat]))

    async def append(self, client: str, epoch: int, turn: int, block: int, offset: int, pcm: bytes) -> tuple[bool, int]:
        """Append ``pcm`` at byte ``offset`` of a block: (True, new length), or (False, length found)."""
        keys = [self._keys.session(client), self._keys.audio(client, turn, block)]
        status, length = await self._scripts.run("append", keys, [epoch, offset, AUDIO_TTL_SECONDS, pcm])
        return _check(status) == "ok", int(length)

    async def submit_audio(
        self, job: AudioJob, record: SegmentRecord | None, previous: str, deepest: int, context: str = ""
    ) -> tuple[Submitted, str]:
        """Put an audio job on its stream, and keep ``record`` of its segment; returns what happened and the entry id.

        A final or candidate keeps its audio alive; a partial need not, since it comes soon after the audio.
        ``context`` is that of the span that it follows from, empty where none is recorded; a partial's is left out.
        """
        keys = self._keys
        stream, sibling = keys.audio_jobs, keys.audio_partials
        if job.kind == "partial":
            stream, sibling = sibling, stream
        kept = job.kind != "partial"
        blocks = [part.key for part in keys.audio_ranges(job.client, job.turn, job.start, job.end) if kept]
        return await self._submit(
            job.client,
            job.epoch,
            [stream, keys.done(job.client), keys.segments(job.client), sibling, *blocks],
            STT_GROUP if kept else "",
            job.end - job.start,
            [
                done_member(job.segment, "final"),
                job.segment,
                encode(record) if record else "",
                encode(job),
                previous,
                deepest,
            ],
            context,
        )

    async def submit_text(
        self, job: TextJob, epoch: int, previous: str, deepest: int, samples: int = 0, context: str = ""
    ) -> tuple[Submitted, str]:
        """Put a text job on its stream; returns what happened and the entry id.

        ``samples`` is the length of the audio that a final's text comes from.
        """
        keys = self._keys
        stream, sibling = keys.transcriptions, keys.text_partials
        if not job.final:
            stream, sibling = sibling, stream
        member = done_member(job.segment, "translation", job.target)
        return await self._submit(
            job.client,
            epoch,
            [stream, keys.done(job.client), keys.segments(job.client), sibling],
            TRANSLATION_GROUP if job.final else "",
            samples,
            [member, job.segment, "", encode(job), previous, deepest],
            context,
        )

    async def _submit(
        self,
        client: str,
        epoch: int,
        keys: Sequence[str],
        group: str,
        samples: int,
        args: Sequence[str | bytes | int],
        context: str,
    ) -> tuple[Submitted, str]:
        """Run the script; ``group`` names the counters that the job's audio is added to, or is empty for a partial."""
        load = [self._keys.load(group)] if group else []
        work: list[Arg] = [samples * 1000 // SAMPLE_RATE, context] if group else []
        status, entry = await self._scripts.run(
            "submit",
            [self._keys.session(client), *keys, *load],
            [epoch, *args, SESSION_TTL_SECONDS, AUDIO_TTL_SECONDS, *work],
        )
        return cast(Submitted, _check(status)), entry.decode()

    async def promote(self, client: str, epoch: int, segment: int, rev: int, record: SegmentRecord) -> Promoted:
        """Make the candidate the final, now or as soon as it is decoded; ``record`` says where the segment ended."""
        names = self._keys
        keys = [
            names.session(client),
            names.results(client),
            names.done(client),
            names.candidates(client),
            names.segments(client),
            names.transcriptions,
            names.load(TRANSLATION_GROUP),
        ]
        args: list[Arg] = [epoch, done_member(segment, "final"), segment, rev, SESSION_TTL_SECONDS, encode(record)]
        status, _ = await self._scripts.run("promote", keys, args)
        return cast(Promoted, _check(status))

    async def release(self, client: str, epoch: int, turn: int, blocks: Sequence[int], *, leave: bool) -> None:
        """Delete audio blocks of a turn; with ``leave`` take the session off the sweeper's list as well."""
        keys = [self._keys.session(client), self._keys.sessions]
        keys += [self._keys.audio(client, turn, block) for block in blocks]
        _check(await self._scripts.run("release", keys, [client, epoch, int(leave)]))

    async def take_over(
        self, client: str, *, token_hash: str, new_token_hash: str, key_id: str, owner: str, now: float
    ) -> StoredSession:
        """Own the session from here on and read all of it.

        Raises:
            ResumeDeniedError: no such session, or not its token or key.
        """
        status, epoch = await self._scripts.run(
            "takeover",
            [self._keys.session(client), self._keys.sessions, self._keys.results(client)],
            [client, token_hash, new_token_hash, key_id, owner, now, SESSION_TTL_SECONDS],
        )
        if status != b"ok":
            raise ResumeDeniedError(status.decode())
        return await self.read(client, int(epoch))

    async def adopt(self, client: str, *, stale_before: float, now: float, owner: str) -> StoredSession | None:
        """Own a session whose gateway is gone; None when it was not stale after all."""
        epoch = await self._scripts.run(
            "adopt", [self._keys.session(client), self._keys.sessions], [client, stale_before, now, owner]
        )
        return await self.read(client, int(epoch)) if epoch else None

    async def read(self, client: str, epoch: int) -> StoredSession:
        """Fields, open segments and results of a session."""
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.hgetall(self._keys.session(client))
        pipeline.hvals(self._keys.segments(client))
        fields, records = await pipeline.execute()
        segments = sorted((decode(raw, SegmentRecord) for raw in records), key=lambda record: record.start)
        results = tuple([delivery async for delivery in self.replay(client, "0-0")])
        return StoredSession(epoch, {k.decode(): v.decode() for k, v in fields.items()}, tuple(segments), results)

    async def replay(self, client: str, cursor: str) -> AsyncIterator[Delivery]:
        """Results after ``cursor``, oldest first."""
        while True:
            page = await self._redis.xrange(self._keys.results(client), min=f"({cursor}", count=500)
            entries = cast(list[tuple[bytes, dict[bytes, bytes]]], page)
            if not entries:
                return
            for entry, fields in entries:
                cursor = entry.decode()
                raw = b'{"id":"%s","jobs":%s,"body":%s}' % (entry, fields[b"jobs"], fields[b"body"])
                yield decode(raw, Delivery)

    async def captions_token(self, client: str) -> str | None:
        """What opens the captions of a session to who only reads; None where there is no such session (any more)."""
        found = await self._redis.hget(self._keys.session(client), "captions")
        return found.decode() if isinstance(found, bytes) else None

    async def presence(self, client: str) -> Presence:
        """Whether more may be said in a session."""
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.zscore(self._keys.sessions, client)
        pipeline.hmget(self._keys.session(client), "epoch", "stopped")
        driven, (epoch, stopped) = await pipeline.execute()
        if epoch is None or (stopped is not None and driven is None):
            return "over"
        return "away" if driven is None else "driven"

    async def audio_length(self, client: str, turn: int, first: int, blocks: int) -> int:
        """Samples that Redis holds without a hole from block ``first`` of a turn on, looking at ``blocks`` blocks."""
        length = 0
        for block in range(first, first + blocks):
            found = int(await self._redis.strlen(self._keys.audio(client, turn, block))) // SAMPLE_BYTES
            length += found
            if found < BLOCK_SAMPLES:
                break
        return length

    async def stale(self, before: float, limit: int) -> list[str]:
        """Clients whose gateway has not been heard of since ``before``."""
        found = await self._redis.zrangebyscore(self._keys.sessions, "-inf", before, start=0, num=limit)
        return [client.decode() for client in cast(list[bytes], found)]

    async def probe(self) -> None:
        """Write something small, to see whether Redis takes writes (it takes none at maxmemory)."""
        await self._redis.set(self._keys.probe, b"1", ex=60)

    async def depth(self) -> int:
        """Audio jobs waiting or in flight."""
        return int(await self._redis.xlen(self._keys.audio_jobs)) + int(
            await self._redis.xlen(self._keys.audio_partials)
        )

    async def memory(self) -> tuple[int, int]:
        """Bytes in use, and ``maxmemory``: 0 where there is no limit."""
        info = await self._redis.info("memory")
        return int(info["used_memory"]), int(info.get("maxmemory", 0))
