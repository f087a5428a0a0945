"""A real gateway process, real sockets to it, and a worker that writes down what it is given to hear."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
import numpy as np
import psutil
from numpy.typing import NDArray
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from speechpipe_common.consumer import Entry, ShardContext, Work, WorkerContext, serve_worker
from speechpipe_common.keys import STT_GROUP, Keys
from speechpipe_common.messages import AudioJob, Failure, Transcript, decode
from speechpipe_common.settings import WorkerSettings
from speechpipe_common.store import MissingAudio, Overtaken
from speechpipe_common.testing import eventually, free_port
from speechpipe_gateway.auth import new_key

RATE = 16_000
START_SECONDS = 60.0
KEEPALIVE_SECONDS = 15.0
PATIENCE = 60.0
"""Seconds; passes only when something is broken."""

ANSWER = "a known sentence"


class GatewayProcess:
    """``python -m speechpipe_gateway`` on free ports, with one API key; a context manager.

    Args:
        redis_url: its Redis.
        folder: for the key file and the log.
        program: run instead, with the same environment.
        settings: environment variables on top.
    """

    def __init__(self, redis_url: str, folder: Path, program: Sequence[str] = (), **settings: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.port, self.health_port = free_port(), free_port()
        self.redis_url = redis_url
        self.prefix = settings.get("KEY_PREFIX", f"gateway{self.port}:")
        self.log_path = folder / "gateway.log"
        self.keys_path = folder / "keys"
        self.key, line = new_key("tester")
        self.keys_path.write_text(line + "\n")
        self._program = tuple(program) or ("-m", "speechpipe_gateway")
        self._environment = {
            "REDIS_URL": redis_url,
            "KEY_PREFIX": self.prefix,
            "GATEWAY_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(self.port),
            "HEALTH_HOST": "127.0.0.1",
            "HEALTH_PORT": str(self.health_port),
            "API_KEYS_FILE": str(self.keys_path),
            "DRAIN_SECONDS": "5",
            **settings,
        }

    def __enter__(self) -> Self:
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *self._program], env={**os.environ, **self._environment}, stdout=log, stderr=log
            )
        try:
            self._wait_until_ready()
        except AssertionError:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while self.get("/ready")[0] != 200:
            assert self.process.poll() is None, f"the gateway ended: {self.log()[-3000:]}"
            assert time.monotonic() < deadline, f"the gateway did not become ready: {self.log()[-3000:]}"
            time.sleep(0.05)

    @property
    def keys(self) -> Keys:
        """Its names in Redis."""
        return Keys(self.prefix)

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"ws://127.0.0.1:{self.port}/ws"

    @property
    def rss(self) -> int:
        """Bytes of memory in use."""
        return int(psutil.Process(self.process.pid).memory_info().rss)

    @property
    def sockets(self) -> int:
        """Client connections that the process has open."""
        connections = psutil.Process(self.process.pid).net_connections("tcp")
        return sum(1 for c in connections if c.laddr.port == self.port and c.status != psutil.CONN_LISTEN)

    def log(self) -> str:
        """Everything that it has logged."""
        return self.log_path.read_text(errors="replace")

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of a path of the health server; status 0 while nobody listens."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.health_port}{path}", timeout=5) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def metric(self, name: str) -> float:
        """A metric's value, summed over its labels; 0 when it has not been counted yet."""
        lines = self.get("/metrics")[1].splitlines()
        full = f"speechpipe_{name}"
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith((full + " ", full + "{")))


class PeakMemory:
    """Watches a gateway's memory on a thread; a context manager."""

    def __init__(self, gateway: GatewayProcess) -> None:
        self._gateway = gateway
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.before = self.peak = gateway.rss

    def _watch(self) -> None:
        while not self._over.wait(0.05):
            self.peak = max(self.peak, self._gateway.rss)

    @property
    def growth_mb(self) -> float:
        """Megabytes (10^6 bytes) that the process was larger at its largest than at the beginning."""
        return (self.peak - self.before) / 1e6

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()


class Caller:
    """A client that says exactly what the test tells it to."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.messages: list[dict[str, Any]] = []
        self.close_code: int | None = None
        self.close_reason = ""
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        try:
            async for raw in self.socket:
                self.messages.append(msgspec.json.decode(raw))
        except ConnectionClosed:
            pass
        self.close_code = self.socket.close_code
        self.close_reason = self.socket.close_reason or ""

    async def say(self, kind: str, **fields: Any) -> None:
        """A control message."""
        await self.socket.send(msgspec.json.encode({"type": kind, **fields}).decode())

    async def start(self, **fields: Any) -> dict[str, Any]:
        """Say ``start`` and wait for ``ready``."""
        await self.say("start", **fields)
        return await self.hears("ready")

    async def hears(self, kind: str, count: int = 1) -> dict[str, Any]:
        """Wait for the ``count``-th message of a type."""

        def found() -> list[dict[str, Any]] | None:
            of_kind = self.of(kind)
            assert len(of_kind) >= count or not self._reader.done(), f"closed ({self.close_code}): {self.messages}"
            return of_kind if len(of_kind) >= count else None

        of_kind = await eventually(found, f"message {kind!r}", PATIENCE)
        assert of_kind is not None
        return of_kind[count - 1]

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Messages of a type so far."""
        return [message for message in self.messages if message["type"] == kind]

    async def closed(self, seconds: float = PATIENCE) -> int:
        """Wait until the server has closed; the close code."""
        async with asyncio.timeout(seconds):
            await asyncio.wait([self._reader])
        assert self.close_code is not None
        return self.close_code

    async def send_audio(self, samples: NDArray[np.int16], frame_seconds: float = 0.5) -> None:
        """Audio as fast as the server takes it."""
        size = round(frame_seconds * RATE)
        for begin in range(0, len(samples), size):
            await self.socket.send(samples[begin : begin + size].astype("<i2").tobytes())

    def vanish(self) -> None:
        """End the connection as a crash or a lost network does: TCP reset, no goodbye."""
        self.socket.transport.abort()


@asynccontextmanager
async def call(
    gateway: GatewayProcess,
    key: str | None = "",
    *,
    origin: str | None = None,
    query: str = "",
    max_queue: int | None = None,
    **options: Any,
) -> AsyncIterator[Caller]:
    """Connect; ``key`` is the gateway's own when empty, and None shows none."""
    token = gateway.key if key == "" else key
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    async with connect(
        gateway.url + query,
        additional_headers=headers,
        origin=origin,  # type: ignore[arg-type]
        compression=None,
        ping_interval=None,
        max_size=None,
        max_queue=max_queue,
        close_timeout=2,
        open_timeout=PATIENCE,
        **options,
    ) as socket:
        caller = Caller(socket)
        yield caller
        caller.vanish()
        await caller.closed()


@dataclass
class Scribe:
    """What the worker was given: jobs and, for finals and candidates, their audio."""

    jobs: deque[AudioJob] = field(default_factory=deque)
    pcm: dict[tuple[str, int, int], bytes] = field(default_factory=dict)
    """Audio of finals and candidates by client, segment and end."""
    missing: list[AudioJob] = field(default_factory=list)
    text: Callable[[AudioJob], str] = lambda job: ANSWER
    may_work: asyncio.Event = field(default_factory=asyncio.Event)

    def of(self, client: str) -> list[AudioJob]:
        """Jobs of one client."""
        return [job for job in self.jobs if job.client == client]

    async def settle(self, context: ShardContext, entries: Sequence[Entry[AudioJob]]) -> None:
        """Answer every job with ``text``."""
        await self.may_work.wait()
        heard = await context.store.read_audio([entry.job for entry in entries])
        for entry, audio in zip(entries, heard, strict=True):
            job = entry.job
            self.jobs.append(job)
            if isinstance(audio, MissingAudio):
                self.missing.append(job)
                failure = Failure(segment=job.segment, rev=job.rev, code="audio_missing", message="hole", retry=True)
                await context.store.commit_failure(entry.ref, job, failure)
                continue
            if isinstance(audio, Overtaken) or (job.expires_at is not None and job.expires_at < time.time()):
                await context.store.drop(entry.ref)
                continue
            if job.kind != "partial":
                self.pcm[job.client, job.segment, job.end] = audio
            await context.store.commit_transcript(entry.ref, job, self._transcript(job))

    def _transcript(self, job: AudioJob) -> Transcript:
        return Transcript(
            segment=job.segment,
            rev=job.rev,
            kind=job.kind,
            start=job.start,
            end=job.end,
            text=self.text(job),
            language="en",
            language_probability=0.9,
            processing_time=0.01,
        )


@asynccontextmanager
async def working(gateway: GatewayProcess, scribe: Scribe | None = None) -> AsyncIterator[Scribe]:
    """The project's own worker frame around a scribe, in this process."""
    scribe = scribe or Scribe()
    scribe.may_work.set()
    settings = WorkerSettings(
        redis_url=gateway.redis_url,
        key_prefix=gateway.prefix,
        health_host="127.0.0.1",
        health_port=0,
        drain_seconds=1,
    )

    async def load(_: WorkerContext) -> Work[AudioJob]:
        return Work(
            streams=(gateway.keys.audio_jobs, gateway.keys.audio_partials),
            group=STT_GROUP,
            decode=lambda raw: decode(raw, AudioJob),
            handler=lambda shard: lambda entries: scribe.settle(shard, entries),
            max_batch=8,
        )

    stop = asyncio.Event()
    task = asyncio.create_task(serve_worker(settings, "scribe", load, stop))
    try:
        yield scribe
    finally:
        scribe.may_work.set()
        stop.set()
        await task


async def _stay(caller: Caller) -> None:
    """Say that the caller is there, as clients without audio do."""
    while True:
        await asyncio.sleep(KEEPALIVE_SECONDS)
        await caller.say("keepalive")


@asynccontextmanager
async def neighbour(gateway: GatewayProcess, speech: NDArray[np.int16]) -> AsyncIterator[Caller]:
    """A client in the middle of an utterance, which must get its whole text whatever happens in the block."""
    # What an earlier test did to it may have cost it its Redis for a moment, and then it takes nobody in.
    await eventually(lambda: gateway.get("/ready")[0] == 200, "the gateway is ready")
    async with call(gateway) as caller:
        await caller.start()
        half = len(speech) // 2
        await caller.send_audio(speech[:half])
        await caller.hears("speech_started")
        staying = asyncio.create_task(_stay(caller))
        try:
            yield caller
        finally:
            staying.cancel()
        await caller.send_audio(speech[half:])
        await caller.say("stop")
        assert await caller.closed() == 1000, (caller.messages, gateway.log()[-3000:])
        assert caller.of("error") == []
        assert caller.of("final"), caller.messages
        assert all(m["text"] == ANSWER for m in caller.of("final"))


def unbroken(clips: dict[str, NDArray[np.int16]], seconds: float) -> NDArray[np.int16]:
    """People talking without a pause longer than 0.3 s, one after the other, over and over."""
    pieces: list[NDArray[np.int16]] = []
    for clip in clips.values():
        frames = clip[: len(clip) // 160 * 160].reshape(-1, 160).astype(np.float32)
        loud = np.flatnonzero(np.sqrt((frames**2).mean(axis=1)) > 300)
        quiet_run = np.diff(loud, prepend=loud[0])
        keep = np.concatenate(
            [np.arange(max(at - min(run, 30), 0), at + 1) for at, run in zip(loud, quiet_run, strict=True)]
        )
        pieces.append(frames[np.unique(keep)].reshape(-1).astype(np.int16))
    once = np.concatenate(pieces)
    return np.tile(once, int(seconds * RATE) // len(once) + 1)[: int(seconds * RATE)]
