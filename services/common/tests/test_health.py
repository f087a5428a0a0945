"""Health, readiness and metrics as probes and Prometheus see them."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import aiohttp
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from speechpipe_common.health import HealthPortError, HealthServer, HealthSource
from speechpipe_common.metrics import ConsumerMetrics, LinkMetrics


async def seven() -> int:
    """A queue of seven jobs."""
    return 7


def source(depth: Callable[[], Awaitable[int | None]] = seven, **checks: Callable[[], str | None]) -> HealthSource:
    """A process with some counted work."""
    registry = CollectorRegistry()
    metrics = ConsumerMetrics(registry)
    metrics.claimed("audio_jobs", 3)
    metrics.claimed("audio_jobs:partial", 2)
    return HealthSource(instance_id="stt-1", registry=registry, checks=checks, queue_depth=depth, max_queue_depth=100)


async def get(server: HealthServer, path: str) -> tuple[int, aiohttp.ClientResponse]:
    """Status and read response of one request."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{server.port}{path}") as response,
    ):
        await response.read()
        return response.status, response


async def test_health_answers_the_reference_fields():
    """/health is JSON with instance, depth, limit, metrics summed over labels, and the time."""
    async with HealthServer(source(), "127.0.0.1", 0) as server:
        status, response = await get(server, "/health")
        body = await response.json()
    assert status == 200
    assert body["status"] == "healthy"
    assert (body["instance_id"], body["queue_depth"], body["max_queue_depth"]) == ("stt-1", 7, 100)
    assert body["metrics"]["jobs_claimed"] == 5
    assert abs(body["timestamp"] - time.time()) < 60


async def test_ready_waits_for_every_check():
    """/ready is 503 with the reasons until all checks are well, and /health says degraded meanwhile."""
    state: dict[str, str | None] = {"model": "loading", "redis": None}
    checks = {name: (lambda name=name: state[name]) for name in state}
    async with HealthServer(source(**checks), "127.0.0.1", 0) as server:
        status, response = await get(server, "/ready")
        assert status == 503
        assert await response.json() == {"ready": False, "reasons": {"model": "loading"}}
        _, response = await get(server, "/health")
        assert (await response.json())["status"] == "degraded"
        state["model"] = None
        status, response = await get(server, "/ready")
        assert status == 200
        assert await response.json() == {"ready": True, "reasons": {}}


async def test_metrics_are_prometheus_text():
    """/metrics parses as Prometheus text with our prefix and labels."""
    async with HealthServer(source(), "127.0.0.1", 0) as server:
        _, response = await get(server, "/metrics")
        families = list(text_string_to_metric_families(await response.text()))
    values = {(s.name, s.labels.get("stream")): s.value for family in families for s in family.samples}
    assert values["speechpipe_jobs_claimed_total", "audio_jobs"] == 3


async def test_health_answers_while_redis_hangs():
    """A queue depth that never comes is null, and the probe is answered all the same."""

    async def never() -> int:
        await asyncio.Event().wait()
        return 0

    async with HealthServer(source(never), "127.0.0.1", 0) as server:
        status, response = await get(server, "/health")
        assert status == 200
        assert (await response.json())["queue_depth"] is None


async def test_taken_port_is_a_clear_error():
    """A port in use is refused with the setting's name and what to do."""
    async with HealthServer(source(), "127.0.0.1", 0) as server:
        with pytest.raises(HealthPortError, match=rf"HEALTH_PORT {server.port} on 127\.0\.0\.1 cannot be opened"):
            await HealthServer(source(), "127.0.0.1", server.port).start()


def test_busy_seconds_grow_even_when_the_work_fails():
    """Time in a failing handler is busy time too."""
    registry = CollectorRegistry()
    metrics = ConsumerMetrics(registry)
    with pytest.raises(ValueError, match="no"), metrics.busy():
        raise ValueError("no")
    assert registry.get_sample_value("speechpipe_worker_busy_seconds_total") > 0


def test_link_metrics_follow_the_connection():
    """redis_up is 1 from the start, 0 after a failure and 1 after the return, which is counted."""
    registry = CollectorRegistry()
    metrics = LinkMetrics(registry)
    assert registry.get_sample_value("speechpipe_redis_up") == 1
    metrics.failed()
    assert registry.get_sample_value("speechpipe_redis_up") == 0
    metrics.regained()
    assert registry.get_sample_value("speechpipe_redis_up") == 1
    assert registry.get_sample_value("speechpipe_redis_reconnects_total") == 1


def test_streams_that_are_expected_are_shown_before_their_first_job():
    """A counter that begins at 1 has no increase for Prometheus. A wait below 0, of clocks that differ, counts as 0."""
    registry = CollectorRegistry()
    metrics = ConsumerMetrics(registry)
    metrics.expect(["audio_jobs"])
    buried = {"stream": "audio_jobs", "outcome": "buried"}
    assert registry.get_sample_value("speechpipe_jobs_settled_total", buried) == 0
    handed = {"stream": "audio_jobs", "reason": "failed"}
    assert registry.get_sample_value("speechpipe_jobs_handed_back_total", handed) == 0
    metrics.waited("audio_jobs", 0.5)
    metrics.waited("audio_jobs", -3)
    stream = {"stream": "audio_jobs"}
    assert registry.get_sample_value("speechpipe_job_wait_seconds_count", stream) == 2
    assert registry.get_sample_value("speechpipe_job_wait_seconds_sum", stream) == 0.5
