"""A gateway's writes, a client's ears, and the real worker process, for the end-to-end tests."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import msgspec
from redis.asyncio import Redis
from redis.asyncio.client import PubSub

from speechpipe_common.keys import BLOCK_SAMPLES, Keys
from speechpipe_common.messages import AudioJob, Delivery, JobKind, Result, SegmentRecord, decode
from speechpipe_common.store import SessionStore, connect
from speechpipe_common.testing import eventually, free_port

EPOCH = 1
PATIENCE = 120.0
"""Seconds; passes only when something is broken."""


class Worker:
    """``python -m speechpipe_stt`` (or another program that takes the same settings) as a child process."""

    def __init__(self, url: str, log: Path, program: Sequence[str] = ("-m", "speechpipe_stt"), **settings: str) -> None:
        self.health = f"http://127.0.0.1:{(port := free_port())}"
        self.log = log
        environment = {"REDIS_URL": url, "HEALTH_HOST": "127.0.0.1", "HEALTH_PORT": str(port), "MODEL_OFFLINE": "1"}
        with log.open("ab") as sink:
            self.process = subprocess.Popen(
                [sys.executable, *program],
                env={**os.environ, **environment, "LOG_LEVEL": "debug", **settings},
                stdout=sink,
                stderr=sink,
            )

    async def get(self, path: str) -> tuple[int, str]:
        """Status and body of a path of its health server; status 0 while nobody listens."""
        try:
            async with aiohttp.ClientSession() as session, session.get(self.health + path) as response:
                return response.status, await response.text()
        except aiohttp.ClientError:
            return 0, ""

    async def ready(self) -> None:
        """Wait for readiness."""

        async def is_ready() -> bool:
            assert self.process.poll() is None, self.log.read_text()[-3000:]
            return (await self.get("/ready"))[0] == 200

        await eventually(is_ready, "readiness of the worker", PATIENCE)

    async def ended(self) -> int:
        """Wait for its end; its exit status."""
        await eventually(lambda: self.process.poll() is not None, "the end of the worker", PATIENCE)
        return self.process.returncode

    def terminate(self) -> None:
        """SIGTERM."""
        self.process.terminate()

    def kill(self) -> None:
        """SIGKILL, and reap it."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()


class Client:
    """One client's session as its gateway writes it, and what is published for it."""

    def __init__(self, redis: Redis, keys: Keys, name: str) -> None:
        self.redis = redis
        self.keys = keys
        self.name = name
        self.store = SessionStore(redis, keys)
        self.published: list[Delivery] = []

    async def say(self, turn: int, pcm: bytes) -> None:
        """Store a turn's audio, block by block."""
        size = BLOCK_SAMPLES * 2
        for block in range(0, len(pcm), size):
            stored, _ = await self.store.append(self.name, EPOCH, turn, block // size, 0, pcm[block : block + size])
            assert stored

    def job(self, turn: int, samples: int, kind: JobKind = "final", rev: int = 1, **changes: object) -> AudioJob:
        """A job for a turn that is one segment."""
        job = AudioJob(
            client=self.name,
            epoch=EPOCH,
            segment=turn,
            rev=rev,
            kind=kind,
            turn=turn,
            start=turn,
            end=turn + samples,
            language="en",
            submitted_at=time.time(),
        )
        return msgspec.structs.replace(job, **changes)

    async def submit(self, job: AudioJob) -> None:
        """Put a job on its stream."""
        record = SegmentRecord(
            turn=job.turn, start=job.start, end=job.end, rev=job.rev, language=job.language, targets=job.targets
        )
        status, _ = await self.store.submit_audio(job, record, "", 0)
        assert status == "ok"

    async def finals(self) -> list[Delivery]:
        """The replay stream."""
        return [delivery async for delivery in self.store.replay(self.name, "0-0")]

    async def heard(self, count: int = 1) -> list[Result]:
        """Wait until this many results were published; their bodies in order."""
        await eventually(lambda: len(self.published) >= count, f"{count} results of {self.name}", PATIENCE)
        return [delivery.body for delivery in self.published]

    async def drained(self) -> None:
        """Wait until no job is waiting or in flight on either stream."""

        async def empty() -> bool:
            return not await self.redis.xlen(self.keys.audio_jobs) and not await self.redis.xlen(
                self.keys.audio_partials
            )

        await eventually(empty, "the end of all jobs", PATIENCE)


@asynccontextmanager
async def client(url: str, keys: Keys, name: str) -> AsyncIterator[Client]:
    """An open session whose channel is listened to."""
    redis = connect(url)
    session = Client(redis, keys, name)
    await session.store.open(name, EPOCH, time.time(), {})
    async with redis.pubsub() as channel:
        await channel.subscribe(keys.results(name))
        listener = asyncio.create_task(_listen(channel, session.published))
        yield session
        listener.cancel()
        await asyncio.wait([listener])
    await redis.aclose()


async def _listen(channel: PubSub, published: list[Delivery]) -> None:
    async for message in channel.listen():
        if message["type"] == "message":
            published.append(decode(message["data"], Delivery))
