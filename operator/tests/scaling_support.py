"""A stage that works: jobs on a real Valkey, and real consumers on the pods of a fake kubelet."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from speechpipe_common.consumer import Consumer, DeliveryPolicy, Entry, RedisLink
from speechpipe_common.consumer.group import Group
from speechpipe_common.keys import STT_GROUP, Keys
from speechpipe_common.messages import AudioJob, SegmentRecord, Transcript, decode
from speechpipe_common.metrics import ConsumerMetrics, LinkMetrics
from speechpipe_common.store import SessionStore, WorkerStore, connect
from speechpipe_common.testing import eventually
from speechpipe_operator.objects import COMPONENT_LABEL, PIPELINE_LABEL, Object
from speechpipe_operator.reconcile.cache import ChildCache, PipelineKey
from speechpipe_operator.testing.fates import READY, PodFate
from speechpipe_operator.testing.follow import DELETED, follow
from speechpipe_operator.testing.rest import Json, Rest

PIPELINE = "p"
WORKLOAD = "p-stt"
SEGMENT_SAMPLES = 32_000
"""Two seconds of audio in each job."""


def deployment(namespace: str, node: str, replicas: int | None) -> Object:
    """The workers' Deployment as the operator applies it; its pods fit on ``node`` alone."""
    labels = {PIPELINE_LABEL: PIPELINE, COMPONENT_LABEL: "stt"}
    spec: Object = {
        "selector": {"matchLabels": labels},
        "template": {
            "metadata": {"labels": labels},
            "spec": {
                "nodeSelector": {"kubernetes.io/hostname": node},
                "terminationGracePeriodSeconds": 20,
                "containers": [{"name": "stt", "image": "example.test/stt:1"}],
            },
        },
    }
    if replicas is not None:
        spec["replicas"] = replicas
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": WORKLOAD, "namespace": namespace, "labels": labels},
        "spec": spec,
    }


@asynccontextmanager
async def watched(rest: Rest, namespace: str) -> AsyncIterator[Callable[[], Any]]:
    """The pipeline's children as the operator's cache shows them, kept up to date by real watches."""
    cache, key = ChildCache(), PipelineKey(namespace, PIPELINE)

    async def feed(kind: str, path: str) -> None:
        async for event, item in follow(rest, path):
            cache.observe(DELETED if event == DELETED else None, {**item, "kind": kind})

    paths = {
        "Pod": f"/api/v1/namespaces/{namespace}/pods",
        "Deployment": f"/apis/apps/v1/namespaces/{namespace}/deployments",
    }
    tasks = [asyncio.create_task(feed(kind, path)) for kind, path in paths.items()]
    try:
        yield lambda: cache.observed(key)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Speaker:
    """Submits segments as a gateway does, and knows which of them it has."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis = redis
        self._keys = keys
        self._store = SessionStore(redis, keys)
        self._numbers = itertools.count()
        self.submitted = 0

    async def open(self) -> None:
        """Begin the session."""
        await self._store.open("c", 1, 0.0, {})

    async def speak(self, segments: int = 1) -> None:
        """Submit so many."""
        for _ in range(segments):
            start = next(self._numbers) * SEGMENT_SAMPLES
            end = start + SEGMENT_SAMPLES
            job = AudioJob(
                client="c",
                epoch=1,
                segment=start,
                rev=1,
                kind="final",
                turn=start,
                start=start,
                end=end,
                submitted_at=0,
            )
            record = SegmentRecord(turn=start, start=start, end=end, rev=1, language=None, targets=())
            await self._store.submit_audio(job, record, "", 0)
            self.submitted += 1

    async def finals(self) -> int:
        """Segments that are final; each counts once."""
        return int(await self._redis.xlen(self._keys.results("c")))


class Workers:
    """Consumers on the pods of one namespace: each begins with its pod and is drained when the pod ends.

    Args:
        url: of Valkey.
        namespace: whose pods; others are none of its business.
        prefix: of the keys.
        seconds: that one job takes.
    """

    def __init__(self, url: str, namespace: str, prefix: str, seconds: float = 0.4) -> None:
        self._url = url
        self._namespace = namespace
        self._keys = Keys(prefix)
        self._seconds = seconds
        self._running: dict[str, tuple[asyncio.Event, asyncio.Task[None]]] = {}
        self.ended: list[str] = []
        self.ended_with_work: dict[str, int] = {}
        """Pods that were told to end while they held jobs, and how many: the bar is that there are none."""

    async def on_start(self, pod: Json) -> PodFate:
        """Begin to consume under the pod's name; ready when it has read."""
        if pod["metadata"]["namespace"] != self._namespace:
            return READY
        name, stop = pod["metadata"]["name"], asyncio.Event()
        redis = connect(self._url)
        consumer = self._consumer(redis, name)
        task = asyncio.create_task(self._consume(consumer, redis, stop))
        self._running[name] = stop, task
        await eventually(lambda: consumer.check() is None or task.done(), f"{name} reads")
        return READY

    async def on_stop(self, pod: Json) -> None:
        """SIGTERM and wait."""
        name = pod["metadata"]["name"]
        if name not in self._running:
            return
        held = await self.pending(name)
        self.ended.append(name)
        if held:
            self.ended_with_work[name] = held
        await self._end(name)

    async def pending(self, name: str) -> int:
        """Jobs that the consumer of that name holds."""
        redis = connect(self._url)
        try:
            rows = [
                row
                for stream in (self._keys.audio_jobs, self._keys.audio_partials)
                for row in await redis.xinfo_consumers(stream, STT_GROUP)
            ]
        finally:
            await redis.aclose()
        return sum(row["pending"] for row in rows if row["name"] == name.encode())

    async def close(self) -> None:
        """End them all."""
        await asyncio.gather(*(self._end(name) for name in list(self._running)))

    async def _end(self, name: str) -> None:
        stop, task = self._running.pop(name)
        stop.set()
        await task

    async def _consume(self, consumer: Consumer[AudioJob], redis: Redis, stop: asyncio.Event) -> None:
        try:
            await consumer.run(stop)
        finally:
            await redis.aclose()

    def _consumer(self, redis: Redis, name: str) -> Consumer[AudioJob]:
        registry, store = CollectorRegistry(), WorkerStore(redis, self._keys)
        link = RedisLink(redis, LinkMetrics(registry))

        async def handle(entries: Sequence[Entry[AudioJob]]) -> None:
            for entry in entries:
                await asyncio.sleep(self._seconds)  # the decoding
                await link.insist(partial(store.commit_transcript, entry.ref, entry.job, heard(entry.job)))

        return Consumer(
            Group(redis, (self._keys.audio_jobs, self._keys.audio_partials), STT_GROUP, name, self._keys),
            decode=lambda payload: decode(payload, AudioJob),
            handler=handle,
            store=store,
            policy=DeliveryPolicy(claim_idle=5.0, drain=20.0),
            link=link,
            metrics=ConsumerMetrics(registry),
        )


def heard(job: AudioJob) -> Transcript:
    """What was said."""
    return Transcript(
        segment=job.segment,
        rev=job.rev,
        kind="final",
        start=job.start,
        end=job.end,
        text="word",
        language="en",
        language_probability=1.0,
        processing_time=0.1,
    )
