"""A worker process, and a client's view of the Redis that it works on."""

import asyncio
import json
import os
import signal
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import cast

import pytest_asyncio
from redis.asyncio import Redis

from speechpipe_common.keys import Keys
from speechpipe_common.messages import Delivery, TextJob, Translated, decode, encode
from speechpipe_common.testing import eventually, free_port

CLIENT = "client-1"
KEYS = Keys("test:")


def job(text: str, target: str = "es", segment: int = 16000, **changes: object) -> TextJob:
    """A final of our client, from English."""
    fields = {"client": CLIENT, "rev": 2, "final": True, "source": "en", "submitted_at": time.time(), **changes}
    return TextJob(text=text, target=target, segment=segment, **fields)


@dataclass
class Pipeline:
    """A client's view of Redis."""

    redis: Redis
    heard: list[Delivery] = field(default_factory=list)

    async def listen(self) -> None:
        """Collect what is published for the client."""
        async with self.redis.pubsub() as channel:
            await channel.subscribe(KEYS.results(CLIENT))
            async for message in channel.listen():
                if message["type"] == "message":
                    self.heard.append(decode(message["data"], Delivery))

    async def submit(self, *jobs: TextJob) -> None:
        """Put jobs where the STT worker's commit would."""
        for entry in jobs:
            await self.redis.xadd(KEYS.transcriptions if entry.final else KEYS.text_partials, {"job": encode(entry)})

    async def replayed(self) -> list[Delivery]:
        """What the client's stream holds."""
        entries = await self.redis.xrange(KEYS.results(CLIENT))
        return [decode(b'{"body":' + fields[b"body"] + b"}", Delivery) for _, fields in entries]

    async def left(self) -> int:
        """Jobs not settled yet."""
        return await self.redis.xlen(KEYS.transcriptions) + await self.redis.xlen(KEYS.text_partials)

    async def settled(self) -> bool:
        """Whether no job is left, and something was heard."""
        return bool(self.heard) and not await self.left()

    async def subscribed(self) -> bool:
        """Whether the channel has its listener."""
        [(_, listeners)] = cast(list[tuple[bytes, int]], await self.redis.pubsub_numsub(KEYS.results(CLIENT)))
        return listeners > 0


@pytest_asyncio.fixture
async def pipeline(redis_client: Redis) -> AsyncIterator[Pipeline]:
    """A listening client on an empty Valkey."""
    view = Pipeline(redis_client)
    listening = asyncio.create_task(view.listen())
    await eventually(view.subscribed, "the subscription")
    yield view
    listening.cancel()


class Worker:
    """A worker process and its health page."""

    def __init__(self, url: str, **environment: str) -> None:
        self.port = free_port()
        self._environment = {
            **os.environ,
            "REDIS_URL": url,
            "KEY_PREFIX": KEYS.prefix,
            "HEALTH_HOST": "127.0.0.1",
            "HEALTH_PORT": str(self.port),
            "CLAIM_IDLE_SECONDS": "1",
            "LOG_FORMAT": "json",
            **environment,
        }

    async def start(self) -> None:
        """Start the process and wait until it is ready."""
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "speechpipe_translate", env=self._environment, stderr=asyncio.subprocess.PIPE
        )
        await eventually(self.ready, "readiness")

    async def ready(self) -> bool:
        """Whether /ready says so."""
        try:
            return bool(json.loads(await asyncio.to_thread(self._get, "/ready"))["ready"])
        except OSError:
            return False

    def _get(self, path: str) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as reply:
            return bytes(reply.read())

    async def metric(self, name: str) -> float:
        """A sample of /metrics, by its name and labels as they are written there."""
        page = (await asyncio.to_thread(self._get, "/metrics")).decode()
        return next((float(line.rpartition(" ")[2]) for line in page.splitlines() if line.startswith(name + " ")), 0.0)

    async def stop(self) -> str:
        """Ask it to stop; returns its log."""
        self.process.send_signal(signal.SIGTERM)
        _, log = await self.process.communicate()
        return log.decode()

    async def kill(self) -> None:
        """End it at once, if it still runs."""
        if self.process.returncode is None:
            self.process.kill()
            await self.process.communicate()


@pytest_asyncio.fixture
async def worker(valkey: str, pipeline: Pipeline) -> AsyncIterator[Worker]:
    """A ready worker."""
    process = Worker(valkey)
    await process.start()
    yield process
    await process.kill()


def texts(deliveries: Sequence[Delivery]) -> list[tuple[int, str, str]]:
    """Segment, language and text of each translation, sorted."""
    return sorted(
        (item.body.segment, item.body.language, item.body.text)
        for item in deliveries
        if isinstance(item.body, Translated)
    )
