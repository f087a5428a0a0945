"""A whole pipeline of real processes around a real Valkey, and what a test asks of it."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from callers import QUICK, Caller
from processes import Service, lasting_port
from redis.exceptions import RedisError
from speech import Clip, endless
from verdict import Verdict, judge

from speechpipe_client import Limits
from speechpipe_common.keys import STT_GROUP, TRANSLATION_GROUP, Keys
from speechpipe_common.store import connect
from speechpipe_common.testing import ValkeyServer, eventually

START_SECONDS = 180.0
SETTLE_SECONDS = 300.0
SUPERVISE_SECONDS = 0.1

KEYS = Keys()
STREAMS = {
    KEYS.audio_jobs: STT_GROUP,
    KEYS.audio_partials: STT_GROUP,
    KEYS.transcriptions: TRANSLATION_GROUP,
    KEYS.text_partials: TRANSLATION_GROUP,
}

GATEWAY = {
    "AUTH": "off",
    "GATEWAY_HOST": "127.0.0.1",
    "SILENCE_THRESHOLD_SECONDS": "0.5",
    "PARTIAL_INTERVAL_SECONDS": "1",
    "RESUBMIT_SECONDS": "5",
    "DRAIN_SECONDS": "5",
}
CLAIM_IDLE_MS = 1000
WORKER = {"CLAIM_IDLE_SECONDS": str(CLAIM_IDLE_MS / 1000), "DRAIN_SECONDS": "10"}
STT = WORKER | {
    "MODEL_SIZE": "tiny.en",
    "DEVICE": "cpu",
    "COMPUTE_TYPE": "int8",
    "CPU_THREADS": "1",
    "BEAM_SIZE": "1",
}
TRANSLATE = WORKER | {"TRANSLATION_ENGINE": "apertium"}


class World:
    """Valkey, gateways and workers; ``running`` makes one and takes it down.

    Args:
        directory: for logs and data.
        clips: what its clients say, by sample rate.
        shards: how many Valkeys there are; ``valkey`` and ``redis`` are the first and its client.
    """

    def __init__(self, directory: Path, clips: Mapping[int, Sequence[Clip]], shards: int = 1) -> None:
        self.valkeys = [_valkey(directory / f"valkey{number or ''}") for number in range(shards)]
        self.valkey = self.valkeys[0]
        self.directory = directory
        self.gateways: list[Service] = []
        self.stt: list[Service] = []
        self.translate: list[Service] = []
        self.urls: list[str] = []
        self.clients = [connect(valkey.url) for valkey in self.valkeys]
        self.redis = self.clients[0]
        self._clips = clips

    def add_gateway(self, **env: str) -> Service:
        """A gateway on a port of its own; not started."""
        port = lasting_port()
        self.urls.append(f"ws://127.0.0.1:{port}/ws")
        return self._service(
            "gateway", self.gateways, ("-m", "speechpipe_gateway"), GATEWAY | {"GATEWAY_PORT": str(port)} | env
        )

    def add_stt(self, *command: str, **env: str) -> Service:
        """A speech-to-text worker; not started. ``command`` is another program than the service itself."""
        return self._service("stt", self.stt, command or ("-m", "speechpipe_stt"), STT | env)

    def add_translate(self, **env: str) -> Service:
        """A translation worker; not started."""
        return self._service("translate", self.translate, ("-m", "speechpipe_translate"), TRANSLATE | env)

    def _service(self, kind: str, pool: list[Service], command: tuple[str, ...], env: Mapping[str, str]) -> Service:
        name = f"{kind}-{len(pool)}"
        # The name tells its connections apart from those of others.
        addresses = ",".join(f"{valkey.url}?client_name={name}" for valkey in self.valkeys)
        settings = {"REDIS_URL": addresses} | dict(env)
        service = Service(name, command, settings, self.directory / f"{name}.log")
        pool.append(service)
        return service

    @property
    def services(self) -> list[Service]:
        """All processes but Valkey."""
        return [*self.gateways, *self.stt, *self.translate]

    async def start(self, *services: Service) -> None:
        """Start these, or all, and wait until they are ready."""
        chosen = services or tuple(self.services)
        for service in chosen:
            service.start()
        for service in chosen:
            await self.until_ready(service)

    async def until_ready(self, service: Service) -> None:
        """Wait until a service is ready."""
        await eventually(service.ready, f"{service.name} to be ready", START_SECONDS)

    async def supervise(self) -> None:
        """Start again whatever dies and was not meant to, for ever."""
        while True:
            for service in self.services:
                if service.wanted and not service.alive:
                    service.start()
            await asyncio.sleep(SUPERVISE_SECONDS)

    def callers(self, count: int, limits: Limits = QUICK) -> list[Caller]:
        """Clients of all gateways: the n-th begins at the n-th gateway and clip; rates and partials take turns."""
        rates = sorted(self._clips)
        return [
            Caller(
                f"client-{number}",
                self.urls[number % len(self.urls) :] + self.urls[: number % len(self.urls)],
                endless(list(self._clips[rates[number % len(rates)]]), number),
                rates[number % len(rates)],
                partials=number % 2 == 0,
                limits=limits,
            )
            for number in range(count)
        ]

    @contextlib.asynccontextmanager
    async def talking(self, callers: Sequence[Caller]) -> AsyncIterator[None]:
        """Clients speak inside the block; at its end they stop and get what they are owed."""
        enough = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            talks = [tasks.create_task(caller.talk(enough)) for caller in callers]
            try:
                await eventually(
                    lambda: all(caller.session_id or caller.failure for caller in callers), "all sessions to be open"
                )
                yield
            finally:
                enough.set()
            try:
                async with asyncio.timeout(SETTLE_SECONDS):
                    await asyncio.gather(*talks)
            finally:
                for caller in callers:
                    self._keep(caller)

    def _keep(self, caller: Caller) -> None:
        """Leave what a client said and got beside the logs, for whoever asks what went wrong."""
        lines = [msgspec.json.encode(one).decode() for one in (*caller.said, *caller.wire.messages)]
        (self.directory / f"{caller.name}-{caller.session_id}.jsonl").write_text("\n".join(lines))

    async def lengths(self) -> dict[str, int]:
        """Entries of each job stream that nobody has settled, on all Valkeys."""
        return {stream: sum([int(await redis.xlen(stream)) for redis in self.clients]) for stream in STREAMS}

    async def in_work(self, service: str, stream: str) -> list[str]:
        """Entries that a consumer holds."""
        found: Any = await self.redis.xpending_range(stream, STREAMS[stream], "-", "+", 100, consumername=service)
        return [entry["message_id"].decode() for entry in found]

    async def until_empty(self) -> None:
        """Wait until every job is settled: stream length = undelivered + pending = 0."""

        async def empty() -> bool:
            try:
                return not any((await self.lengths()).values())
            except (RedisError, OSError):
                return False

        await eventually(empty, "job streams to be empty", SETTLE_SECONDS)
        for redis in self.clients:
            for stream, group in STREAMS.items():
                if await redis.exists(stream):
                    pending = await redis.xpending(stream, group)
                    assert pending["pending"] == 0, f"{stream} has pending entries that do not exist"


def _valkey(directory: Path) -> ValkeyServer:
    made = ValkeyServer(
        directory,
        aof=True,
        # No rewrite: it would move the tail that a test cuts off into another file.
        options=("--auto-aof-rewrite-percentage", "0", "--aof-load-truncated", "yes"),
    )
    made.port = lasting_port()
    return made


def verdict(callers: Sequence[Caller]) -> Verdict:
    """What all clients got, added up.

    Raises:
        AssertionError: a session failed, or a client was told of an error.
    """
    for caller in callers:
        assert caller.failure is None, f"{caller.name}: {caller.failure!r}"
        assert not caller.errors, f"{caller.name}: {caller.errors}"
    return sum((judge(c.wire.messages, c.said, c.target) for c in callers), Verdict())


async def ready_one(pool: Sequence[Service], dice: random.Random) -> Service:
    """Any service of the pool that is ready, as soon as there is one."""

    async def find() -> Service | None:
        for service in dice.sample(list(pool), len(pool)):
            if await service.ready():
                return service
        return None

    found = await eventually(find, "a service to be ready", START_SECONDS)
    assert found is not None
    return found


@contextlib.asynccontextmanager
async def running(directory: Path, clips: Mapping[int, Sequence[Clip]], shards: int = 1) -> AsyncIterator[World]:
    """A world whose Valkeys run; whatever was started in it is killed at the end."""
    world = World(directory, clips, shards)
    for valkey in world.valkeys:
        valkey.start()
    try:
        yield world
    finally:
        for service in world.services:
            service.kill()
        for client in world.clients:
            await client.aclose()
        for valkey in world.valkeys:
            valkey.kill()
