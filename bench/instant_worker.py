"""An STT worker that answers at once, in this process: the pipeline without the cost of decoding."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from redis.asyncio.connection import AbstractConnection

from speechpipe_common.consumer import Entry, ShardContext, Work, WorkerContext, serve_worker
from speechpipe_common.keys import SAMPLE_RATE, STT_GROUP, Keys
from speechpipe_common.messages import AudioJob, Transcript, Word, decode
from speechpipe_common.settings import WorkerSettings

SENTENCE = "people who talk about the weather say that it is going to rain before the evening comes and then it does "
WORDS_PER_SECOND = 2.5
"""Of read speech."""


@dataclass(frozen=True, slots=True)
class Record:
    """A job that came: whose, of what kind, where its audio ends, when the gateway made it and when Redis had it."""

    client: str
    kind: str
    end: int
    submitted_at: float
    entered_at: float


@dataclass
class InstantWorker:
    """Makes up transcripts as long as the audio's would be, and notes each job; reads no audio."""

    records: deque[Record] = field(default_factory=deque)
    writes: int = 0
    """How often this process has written to Redis."""

    async def settle(self, context: ShardContext, entries: Sequence[Entry[AudioJob]]) -> None:
        """Answer every job."""
        for entry in entries:
            job = entry.job
            entered = int(entry.ref.entry.partition("-")[0]) / 1000
            self.records.append(Record(job.client, job.kind, job.end, job.submitted_at, entered))
        await asyncio.gather(
            *(context.store.commit_transcript(entry.ref, entry.job, transcript(entry.job)) for entry in entries)
        )


def transcript(job: AudioJob) -> Transcript:
    """As many words as are said in the job's audio; finals and candidates have their times."""
    count = max(1, round((job.end - job.start) / SAMPLE_RATE * WORDS_PER_SECOND))
    spoken = (SENTENCE * (count // 20 + 1)).split()[:count]
    begin, step = job.start / SAMPLE_RATE, 1 / WORDS_PER_SECOND
    words = tuple(
        Word(text=word, start=round(begin + i * step, 2), end=round(begin + (i + 1) * step, 2), probability=0.9)
        for i, word in enumerate(spoken)
    )
    return Transcript(
        segment=job.segment,
        rev=job.rev,
        kind=job.kind,
        start=job.start,
        end=job.end,
        text=" ".join(spoken),
        language="en",
        language_probability=0.99,
        words=() if job.kind == "partial" else words,
        processing_time=0.0,
    )


@asynccontextmanager
async def working(redis_url: str) -> AsyncIterator[InstantWorker]:
    """Run one, in the frame of the project's own workers."""
    worker, keys = InstantWorker(), Keys()
    settings = WorkerSettings(
        redis_url=redis_url, health_host="127.0.0.1", health_port=0, drain_seconds=1, log_level="warning"
    )

    async def load(_: WorkerContext) -> Work[AudioJob]:
        return Work(
            streams=(keys.audio_jobs, keys.audio_partials),
            group=STT_GROUP,
            decode=lambda raw: decode(raw, AudioJob),
            handler=lambda shard: lambda entries: worker.settle(shard, entries),
            max_batch=64,
        )

    send = AbstractConnection.send_packed_command

    async def counted(self: AbstractConnection, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - passed on
        worker.writes += 1
        await send(self, *arguments, **options)

    AbstractConnection.send_packed_command = counted  # type: ignore[method-assign] # to be counted
    stop = asyncio.Event()
    task = asyncio.create_task(serve_worker(settings, "instant", load, stop))
    try:
        yield worker
    finally:
        stop.set()
        await task
        AbstractConnection.send_packed_command = send  # type: ignore[method-assign] # as it was
