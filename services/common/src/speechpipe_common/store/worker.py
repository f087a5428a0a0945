"""What a worker writes to and reads from Redis about its jobs."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

from redis.asyncio import Redis

from speechpipe_common.keys import SAMPLE_BYTES, SESSION_TTL_SECONDS, TRANSLATION_GROUP, Keys, done_member
from speechpipe_common.messages import (
    AudioJob,
    Failure,
    JobKind,
    MessageError,
    Result,
    SegmentRecord,
    TextJob,
    Transcript,
    Translated,
    decode,
    encode,
)
from speechpipe_common.store.scripts import Scripts

Outcome = Literal["final", "stored", "published", "done", "peer", "buried"]
"""What a commit did. ``peer``: another worker settled the job first; ``done``: the segment was final already."""


@dataclass(frozen=True, slots=True)
class JobRef:
    """Where a job stands: its stream, group and entry id."""

    stream: str
    group: str
    entry: str


@dataclass(frozen=True, slots=True)
class MissingAudio:
    """Redis holds fewer bytes of the job's range than the job names."""

    wanted: int
    found: int


@dataclass(frozen=True, slots=True)
class Overtaken:
    """A job whose segment is final, or a partial or candidate that has had a newer revision submitted.

    After a takeover the same final may stand in the queue more than once: only the first is worth decoding.

    A candidate that was promoted is never overtaken: nothing newer follows it.
    """


Fetched = bytes | MissingAudio | Overtaken


class WorkerStore:
    """Commits, burials and audio reads of STT and translation workers.

    Every method may raise ``redis.RedisError``; calling a commit again after that is safe, since the first write of
    each is the job's acknowledgement.
    """

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis = redis
        self._keys = keys
        self._scripts = Scripts(redis)

    async def commit_transcript(
        self, ref: JobRef, job: AudioJob, result: Transcript, translations: Sequence[TextJob] = (), context: str = ""
    ) -> Outcome:
        """Settle an audio job with what was heard; a final (or promoted candidate) starts its translations.

        ``context`` is that of the job's span, which the translations follow from.
        """
        if job.kind == "partial":
            return await self._publish(ref, job, result)
        jobs = [part for text in translations for part in (text.target, encode(text))]
        return await self._commit(ref, job, result, jobs, context)

    async def commit_translation(self, ref: JobRef, job: TextJob, result: Translated) -> Outcome:
        """Settle a text job with its translation."""
        return await self._commit(ref, job, result) if job.final else await self._publish(ref, job, result)

    async def commit_failure(self, ref: JobRef, job: AudioJob | TextJob, failure: Failure) -> Outcome:
        """Settle a job that failed: for good (``retry`` False), or for the gateway to mend and submit again."""
        if failure.retry or _kind(job) == "partial":
            return await self._publish(ref, job, failure)
        return await self._commit(ref, job, failure)

    async def _publish(self, ref: JobRef, job: AudioJob | TextJob, body: Result) -> Outcome:
        keys = self._keys
        reply = await self._scripts.run(
            "publish",
            [ref.stream, keys.results(job.client), keys.done(job.client), *self._counted(ref)],
            [ref.group, ref.entry, _member(job), encode(body)],
        )
        return cast(Outcome, reply[0].decode())

    async def _commit(
        self,
        ref: JobRef,
        job: AudioJob | TextJob,
        body: Result,
        jobs: Sequence[str | bytes] = (),
        context: str = "",
    ) -> Outcome:
        keys = self._keys
        reply = await self._scripts.run(
            "commit",
            [
                ref.stream,
                keys.results(job.client),
                keys.done(job.client),
                keys.candidates(job.client),
                keys.segments(job.client),
                keys.load(ref.group),
                keys.transcriptions,
                keys.load(TRANSLATION_GROUP),
            ],
            [
                ref.group,
                ref.entry,
                _kind(job),
                _member(job),
                "" if isinstance(job, TextJob) else job.segment,
                job.rev,
                encode(body),
                SESSION_TTL_SECONDS,
                context,
                *jobs,
            ],
        )
        return cast(Outcome, reply[0].decode())

    async def drop(self, ref: JobRef) -> bool:
        """Acknowledge a job unheard; False when a peer settled it first."""
        return bool(await self._scripts.run("drop", [ref.stream, *self._counted(ref)], [ref.group, ref.entry]))

    async def bury(self, ref: JobRef, payload: bytes, reason: str, deliveries: int) -> Outcome:
        """Give a job up: dead letter, and one ``Failure`` for its client where the payload can be read."""
        job = _read_job(payload)
        client = job.client if job else ""
        kind, member, segment, rev, body = _burial(job, reason)
        keys = self._keys
        reply = await self._scripts.run(
            "bury",
            [
                ref.stream,
                keys.dead_letters,
                keys.results(client),
                keys.done(client),
                keys.candidates(client),
                keys.segments(client),
                keys.load(ref.group),
            ],
            [
                ref.group,
                ref.entry,
                payload,
                reason,
                deliveries,
                time.time(),
                kind,
                member,
                segment,
                rev,
                body,
                SESSION_TTL_SECONDS,
            ],
        )
        return cast(Outcome, reply[0].decode())

    async def have_finals(self, jobs: Sequence[TextJob]) -> list[bool]:
        """Whether the segment of each job is final, so that a translation of what came before is not wanted any more.

        One round trip for all.
        """
        pipeline = self._redis.pipeline(transaction=False)
        for job in jobs:
            pipeline.sismember(self._keys.done(job.client), done_member(job.segment, "final"))
        return [bool(reply) for reply in await pipeline.execute()]

    def _counted(self, ref: JobRef) -> list[str]:
        """The counters that a job's work is added to: none for partials, which travel light."""
        partials = (self._keys.audio_partials, self._keys.text_partials)
        return [] if ref.stream in partials else [self._keys.load(ref.group)]

    async def read_audio(self, jobs: Sequence[AudioJob]) -> list[Fetched]:
        """PCM16LE bytes of each job's range, all in one round trip; in the order of ``jobs``."""
        pipeline = self._redis.pipeline(transaction=False)
        counts = []
        for job in jobs:
            ranges = list(self._keys.audio_ranges(job.client, job.turn, job.start, job.end))
            counts.append(len(ranges))
            if job.kind == "final":
                pipeline.sismember(self._keys.done(job.client), done_member(job.segment, "final"))
            else:
                pipeline.hget(self._keys.segments(job.client), str(job.segment))
            for part in ranges:
                pipeline.getrange(part.key, part.begin, part.end - 1)
        replies = iter(await pipeline.execute())
        fetched: list[Fetched] = []
        for job, count in zip(jobs, counts, strict=True):
            found = next(replies)
            overtaken = bool(found) if job.kind == "final" else _overtaken(job, found)
            pcm = b"".join(next(replies) for _ in range(count))
            fetched.append(Overtaken() if overtaken else _whole(job, pcm))
        return fetched


def _whole(job: AudioJob, pcm: bytes) -> bytes | MissingAudio:
    wanted = (job.end - job.start) * SAMPLE_BYTES
    return pcm if len(pcm) == wanted else MissingAudio(wanted=wanted, found=len(pcm))


def _overtaken(job: AudioJob, record: bytes | None) -> bool:
    """A segment's record goes with its final."""
    return record is None or decode(record, SegmentRecord).rev > job.rev


def _kind(job: AudioJob | TextJob) -> JobKind:
    if isinstance(job, AudioJob):
        return job.kind
    return "final" if job.final else "partial"


def _member(job: AudioJob | TextJob) -> str:
    if isinstance(job, AudioJob):
        return done_member(job.segment, "final")
    return done_member(job.segment, "translation", job.target)


def _read_job(payload: bytes) -> AudioJob | TextJob | None:
    for kind in (AudioJob, TextJob):
        try:
            return cast(AudioJob | TextJob, decode(payload, kind))  # type: ignore[type-var]
        except MessageError:
            continue
    return None


def _burial(job: AudioJob | TextJob | None, reason: str) -> tuple[str, str, str, int, bytes]:
    """Kind, done member, segment field, revision and failure body for the bury script."""
    if job is None:
        return "", "", "", 0, b""
    segment, language = ("", job.target) if isinstance(job, TextJob) else (str(job.segment), "")
    failure = Failure(segment=job.segment, rev=job.rev, code="gave_up", message=reason, retry=False, language=language)
    return _kind(job), _member(job), segment, job.rev, encode(failure)
