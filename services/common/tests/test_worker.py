"""The frame around a worker: health from the start, readiness after loading, an end at any moment."""

import asyncio
from collections.abc import Sequence

import aiohttp
import pytest
from redis.asyncio import Redis

from speechpipe_common.consumer import Entry, Work, WorkerContext, serve_worker
from speechpipe_common.health import HealthPortError
from speechpipe_common.settings import WorkerSettings
from speechpipe_common.testing import eventually, free_port


class Service:
    """A worker whose model is loaded when the test says so."""

    def __init__(self, url: str) -> None:
        self.settings = WorkerSettings(
            redis_url=url, key_prefix="p:", instance_id="w-1", health_host="127.0.0.1", health_port=free_port()
        )
        self.loaded = asyncio.Event()
        self.stop = asyncio.Event()
        self.closed = False
        self.context: WorkerContext | None = None

    async def serve(self) -> None:
        """Run until stopped."""
        await serve_worker(self.settings, "stt", self.load, self.stop)

    async def load(self, context: WorkerContext) -> Work[bytes]:
        """Wait for the test, then say what to do."""
        self.context = context
        await self.loaded.wait()
        return Work(
            streams=[context.keys.audio_jobs], group="workers", decode=bytes, handler=self.handle, close=self.close
        )

    async def handle(self, entries: Sequence[Entry[bytes]]) -> None:
        """Drop everything."""
        for entry in entries:
            await self.context.store.drop(entry.ref)

    async def close(self) -> None:
        """Note that the end came."""
        self.closed = True

    async def get(self, path: str) -> tuple[int, dict]:
        """A probe's answer; (0, {}) while nobody listens."""
        try:
            async with (
                aiohttp.ClientSession() as session,
                session.get(f"http://127.0.0.1:{self.settings.health_port}{path}") as response,
            ):
                return response.status, await response.json()
        except aiohttp.ClientConnectionError:
            return 0, {}


async def test_ready_only_when_loaded_and_reading(redis_client: Redis, valkey: str):
    """Health answers while the model loads; ready turns 200 once jobs are read; the queue's depth is shown."""
    service = Service(valkey)
    task = asyncio.create_task(service.serve())
    await eventually(lambda: answers(service, "/ready", 503))
    assert (await service.get("/ready"))[1]["reasons"] == {"model": "is loading"}
    status, health = await service.get("/health")
    assert (status, health["status"], health["queue_depth"], health["instance_id"]) == (200, "degraded", None, "w-1")
    service.loaded.set()
    await eventually(lambda: answers(service, "/ready", 200))
    await redis_client.xadd("p:audio_jobs", {"job": "x"})
    await eventually(lambda: drained(service))
    service.stop.set()
    await task
    assert service.closed
    assert (await service.get("/health"))[0] == 0


async def test_stopping_while_the_model_loads_ends_at_once(redis_client: Redis, valkey: str):
    """A worker told to stop during its loading does not wait for it."""
    service = Service(valkey)
    task = asyncio.create_task(service.serve())
    await eventually(lambda: answers(service, "/ready", 503))
    service.stop.set()
    await asyncio.wait_for(task, 120)


async def test_a_model_that_cannot_be_loaded_ends_the_worker(valkey: str):
    """What goes wrong in loading is raised, so that the process ends with a status that tells."""
    service = Service(valkey)

    async def fail(_: WorkerContext) -> Work[bytes]:
        raise ValueError("no such model")

    with pytest.raises(ValueError, match="no such model"):
        await serve_worker(service.settings, "stt", fail, service.stop)


async def test_a_taken_health_port_ends_the_worker(redis_client: Redis, valkey: str):
    """Two workers on one port: the second says so instead of running unseen."""
    service = Service(valkey)
    task = asyncio.create_task(service.serve())
    await eventually(lambda: answers(service, "/ready", 503))
    with pytest.raises(HealthPortError, match="HEALTH_PORT"):
        await service.serve()
    service.stop.set()
    await task


async def answers(service: Service, path: str, status: int) -> bool:
    """Whether a probe gets this status."""
    return (await service.get(path))[0] == status


async def drained(service: Service) -> bool:
    """Whether the worker has read a job and its queue is empty."""
    _, health = await service.get("/health")
    return health["metrics"].get("jobs_claimed") == 1 and health["queue_depth"] == 0
