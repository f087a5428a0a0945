"""The autoscaler on real controllers, with a real scheduler, Valkey and consumers; only the kubelet is a fake."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest_asyncio
from redis.asyncio import Redis
from scaling_support import WORKLOAD, Speaker, Workers, deployment, watched

from speechpipe_common.keys import STT_GROUP, Keys
from speechpipe_common.testing import eventually
from speechpipe_operator.autoscaling.hands import KubeScale
from speechpipe_operator.autoscaling.report import ScalingReport
from speechpipe_operator.autoscaling.scaler import Pace, PipelineScaler, Surroundings
from speechpipe_operator.autoscaling.stages import Mode, ScaledPipeline, ScaledStage
from speechpipe_operator.autoscaling.types import Policy
from speechpipe_operator.kube.api import KubeApi
from speechpipe_operator.objects import FIELD_MANAGER, SCALE_MANAGER
from speechpipe_operator.testing.control_plane import ControlPlane
from speechpipe_operator.testing.kubelet import FakeKubelet
from speechpipe_operator.testing.nodes import FakeNode
from speechpipe_operator.testing.rest import Rest

PREFIX = "scaled:"
QUICK = Policy(
    min_replicas=0,
    max_replicas=4,
    drain_seconds=2.0,
    prior_speed=5.0,
    panic_seconds=2.0,
    stable_seconds=4.0,
    stabilization_seconds=2.0,
    cooldown_seconds=3.0,
    scale_down_percent=100,
)
"""The windows of an hour's load in a minute."""


class Stage:
    """A pipeline's STT stage under the autoscaler."""

    def __init__(self, rest: Rest, namespace: str, workers: Workers, speaker: Speaker) -> None:
        self.rest = rest
        self.namespace = namespace
        self.workers = workers
        self.speaker = speaker
        self.reports: list[ScalingReport] = []
        self.world: Surroundings
        self._scaler: asyncio.Task[None] | None = None
        self.path = f"/apis/apps/v1/namespaces/{namespace}/deployments/{WORKLOAD}"

    async def scale(self, mode: Mode, replicas: int = 1) -> None:
        """An operator that scales so takes over from the one there is, which ends in the middle of what it does."""
        await self.stop_scaling()
        pipeline = ScaledPipeline((ScaledStage("stt", mode, replicas, QUICK),), PREFIX)
        pace = Pace(active=0.3, idle=0.5, unscaled=0.5)
        self._scaler = asyncio.create_task(PipelineScaler("p", pipeline, self.world, pace).run())

    async def stop_scaling(self) -> None:
        """Nobody scales."""
        if self._scaler is not None:
            self._scaler.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._scaler

    async def replicas(self) -> int:
        """What is asked for."""
        return int((await self.rest.get(self.path))["spec"]["replicas"])

    async def pods(self) -> int:
        """Pods that are there, those that end included."""
        return len(await self.rest.items(f"/api/v1/namespaces/{self.namespace}/pods"))

    async def at(self, replicas: int) -> bool:
        """Whether so many are asked for and there."""
        return await self.replicas() == replicas == await self.pods()

    async def speak_until(self, replicas: int) -> None:
        """Say more than one worker can follow, until there are so many."""
        async with asyncio.timeout(120):
            while not await self.at(replicas):
                await self.speaker.speak(2)
                await asyncio.sleep(0.1)  # the pace of speech

    async def whisper_until(self, replicas: int) -> None:
        """Say little, so that workers always hold something, until there are so few."""
        async with asyncio.timeout(120):
            while not await self.at(replicas):
                await self.speaker.speak()
                await asyncio.sleep(0.8)

    async def settled(self) -> bool:
        """Whether all that was said is final."""
        return await self.speaker.finals() == self.speaker.submitted

    def reported(self, count: int) -> bool:
        """Whether there have been so many ticks."""
        return len(self.reports) >= count

    def reasons(self) -> list[str]:
        """The reasons given so far, one after the other."""
        found: list[str] = []
        for report in self.reports:
            for stage in report.stages:
                if not found or found[-1] != stage.decision.reason:
                    found.append(stage.decision.reason)
        return found


@pytest_asyncio.fixture
async def stage(
    cluster: ControlPlane, cluster_rest: Rest, cluster_namespace: str, valkey: str, redis_client: Redis, tmp_path: Path
) -> AsyncIterator[Stage]:
    """One worker and nothing to do; nobody scales yet."""
    node = f"node-{cluster_namespace}"
    speaker = Speaker(redis_client, Keys(PREFIX))
    await speaker.open()
    workers = Workers(valkey, cluster_namespace, PREFIX)
    stage = Stage(cluster_rest, cluster_namespace, workers, speaker)
    await cluster_rest.apply(stage.path, deployment(cluster_namespace, node, 1), FIELD_MANAGER)
    nodes = [FakeNode(node)]
    client = cluster.api()
    async with (
        FakeKubelet(cluster_rest, nodes, on_start=workers.on_start, on_stop=workers.on_stop),
        watched(cluster_rest, cluster_namespace) as observe,
    ):
        stage.world = Surroundings(
            observe=observe,
            redis=address(valkey),
            api=KubeScale(KubeApi(client), cluster_namespace),
            report=stage.reports.append,
        )
        try:
            yield stage
        finally:
            await stage.stop_scaling()
            await workers.close()
            await client.close()


def address(url: str) -> Callable[[], Awaitable[str]]:
    """The callback that gives the address of Redis."""

    async def give() -> str:
        return url

    return give


async def test_load_comes_and_goes_and_nobody_is_ended_with_work(stage: Stage, redis_client: Redis) -> None:
    """More workers while much is said, fewer while little is, none after silence, one again for the next word; each
    worker that ends holds nothing when it is told to, and every segment is final once.
    """
    await stage.scale("auto")
    await eventually(lambda: stage.at(1), "the first worker")
    await stage.speak_until(4)
    await stage.whisper_until(1)
    await eventually(lambda: stage.at(0), "the end of the last worker", 120)
    await stage.speaker.speak()
    await eventually(stage.settled, "the word after the silence", 120)
    assert stage.workers.ended_with_work == {}
    assert len(stage.workers.ended) >= 4
    assert await stage.speaker.finals() == stage.speaker.submitted
    load = await redis_client.hgetall(Keys(PREFIX).load(STT_GROUP))
    assert load[b"arrived_ms"] == load[b"done_ms"] == b"%d" % (2000 * stage.speaker.submitted)
    assert {"WokenUp", "ScaledToZero"} <= set(stage.reasons())
    managers = {
        entry["manager"]
        for entry in (await stage.rest.get(stage.path))["metadata"]["managedFields"]
        if "f:replicas" in entry["fieldsV1"].get("f:spec", {})
    }
    assert SCALE_MANAGER in managers


async def test_numbers_that_jump_under_load_end_nobody_with_work(stage: Stage) -> None:
    """Up and down under constant load, each time by a new operator, now and then before the one before was done."""
    stop = asyncio.Event()

    async def chatter() -> None:
        while not stop.is_set():
            await stage.speaker.speak()
            await asyncio.sleep(0.15)  # the pace of speech

    talk = asyncio.create_task(chatter())
    chance = random.Random(4)
    for number in (4, 1, 3, 2, 4, 1):
        await stage.scale("fixed", chance.randint(1, 4))
        enough = len(stage.reports) + chance.randint(1, 5)
        await eventually(partial(stage.reported, enough), "some ticks")
        await stage.scale("fixed", number)
        await eventually(partial(stage.at, number), f"{number} workers")
    stop.set()
    await talk
    await eventually(stage.settled, "the end of what was said", 120)
    assert stage.workers.ended_with_work == {}
    assert len(stage.workers.ended) >= 7
