"""The scaler on a real Valkey, with the cluster as values: modes, restarts, what it does when Redis is away."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio
from redis.asyncio import Redis
from scaling_support import Speaker

from speechpipe_common.keys import STT_GROUP, TRANSLATION_GROUP, Keys
from speechpipe_common.testing import ValkeyServer, eventually
from speechpipe_operator.autoscaling.crew import VICTIM_COST
from speechpipe_operator.autoscaling.redis_source import NoAddress
from speechpipe_operator.autoscaling.report import ScalingReport, StageReport
from speechpipe_operator.autoscaling.scaler import PipelineScaler, Surroundings
from speechpipe_operator.autoscaling.scalers import Scalers
from speechpipe_operator.autoscaling.stages import Mode, ScaledPipeline, ScaledStage
from speechpipe_operator.autoscaling.types import Policy
from speechpipe_operator.kube.errors import Call, Conflict, Forbidden
from speechpipe_operator.observed import Observed, PodState, WorkloadState
from speechpipe_operator.spec import ExternalRedis

KEYS = Keys("s:")
POLICY = Policy(min_replicas=1, max_replicas=5, prior_speed=2.0)


class World:
    """Deployments and pods that do at once what they are told, and a clock that only a test moves."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.now = 1000.0
        self.deployments: dict[str, WorkloadState] = {}
        self.pods: dict[str, PodState] = {}
        self.refuses: Exception | None = None
        self.calls: list[str] = []

    def surroundings(self) -> Surroundings:
        """What a scaler is given."""
        return Surroundings(observe=self.observe, redis=self.address, api=self, report=lambda report: None)

    def scaler(self, *stages: ScaledStage, fan_out: int = 1) -> PipelineScaler:
        """One that has just started."""
        pipeline = ScaledPipeline(stages, KEYS.prefix, fan_out=fan_out)
        return PipelineScaler("p", pipeline, self.surroundings(), clock=lambda: self.now)

    async def address(self) -> str:
        """Where Redis is; nowhere while there is no URL."""
        if not self.url:
            raise NoAddress("the Secret p-redis is missing")
        return self.url

    def observe(self) -> Observed:
        """What the watches show."""
        return Observed(tuple(self.deployments.values()), tuple(self.pods.values()))

    def deploy(self, component: str, replicas: int) -> None:
        """A Deployment with that many ready pods."""
        self.deployments[component] = WorkloadState(
            kind="Deployment",
            name=f"p-{component}",
            component=component,
            uid=component,
            resource_version="1",
            desired=replicas,
            generation=1,
            observed_generation=1,
            updated=replicas,
            existing=replicas,
        )
        for number in range(replicas):
            self.pods[f"p-{component}-{number}"] = PodState(
                name=f"p-{component}-{number}",
                uid=str(number),
                component=component,
                resource_version="1",
                owner="rs",
                phase="Running",
                ready=True,
                scheduled=True,
                created=float(number),
            )

    async def scale(self, workload: WorkloadState, replicas: int) -> None:
        """See ``ScaleApi``."""
        if self.refuses:
            raise self.refuses
        version = str(int(workload.resource_version) + 1)
        self.calls.append(f"scale {workload.component} {replicas}")
        self.deployments[workload.component] = replace(workload, desired=replicas, resource_version=version)

    async def mark(self, pod: PodState, *, victim: bool) -> None:
        """See ``ScaleApi``."""
        self.calls.append(f"{'mark' if victim else 'unmark'} {pod.name}")
        self.pods[pod.name] = replace(pod, cordoned=victim, deletion_cost=VICTIM_COST if victim else None)


@pytest_asyncio.fixture
async def world(valkey: str, redis_client: Redis) -> AsyncIterator[World]:
    """An empty Valkey with the streams' groups."""
    for stream, group in (
        (KEYS.audio_jobs, STT_GROUP),
        (KEYS.audio_partials, STT_GROUP),
        (KEYS.transcriptions, TRANSLATION_GROUP),
        (KEYS.text_partials, TRANSLATION_GROUP),
    ):
        await redis_client.xgroup_create(stream, group, id="0", mkstream=True)
    yield World(valkey)


def stt(mode: Mode = "auto", replicas: int = 1) -> ScaledStage:
    """The STT stage."""
    return ScaledStage("stt", mode, replicas, POLICY)


def only(report: ScalingReport) -> StageReport:
    """The report's one stage."""
    (stage,) = report.stages
    return stage


async def test_fixed_numbers_are_asked_for_and_go_down_gently(world: World, redis_client: Redis) -> None:
    """The spec's number is applied, and a worker too many is cordoned and drained before it goes."""
    world.deploy("stt", 2)
    scaler = world.scaler(stt("fixed", 3))
    assert only(await scaler.tick()).decision.reason == "Fixed"
    assert world.calls == ["scale stt 3"]
    world.deploy("stt", 3)
    scaler = world.scaler(stt("fixed", 2))
    await scaler.tick()
    key = KEYS.cordon(STT_GROUP, "p-stt-2")
    assert await redis_client.get(key) == b"asked"
    assert 0 < await redis_client.ttl(key) <= 60
    assert world.calls == ["scale stt 3"]
    await redis_client.set(key, "seen", keepttl=True)
    await redis_client.xgroup_createconsumer(KEYS.audio_jobs, STT_GROUP, "p-stt-2")
    await scaler.tick()
    await scaler.tick()
    assert world.calls == ["scale stt 3", "mark p-stt-2", "scale stt 2"]


async def test_a_worker_with_a_partial_in_hand_is_not_drained(world: World, redis_client: Redis) -> None:
    """What a worker holds counts on both streams."""
    await redis_client.xadd(KEYS.audio_partials, {"job": "x"})
    await redis_client.xreadgroup(STT_GROUP, "p-stt-1", {KEYS.audio_partials: ">"})
    world.deploy("stt", 2)
    scaler = world.scaler(stt("fixed", 1))
    await redis_client.set(KEYS.cordon(STT_GROUP, "p-stt-1"), "seen", ex=60)
    report = only(await scaler.tick())
    assert "1 of them with work in hand" in report.decision.detail
    assert world.calls == []
    entries: Any = await redis_client.xrange(KEYS.audio_partials)
    ((entry, _),) = entries
    await redis_client.xack(KEYS.audio_partials, STT_GROUP, entry)
    await redis_client.xdel(KEYS.audio_partials, entry)
    await scaler.tick()
    assert world.calls == ["mark p-stt-1"]


async def test_a_new_operator_goes_on_with_what_the_old_one_began(world: World, redis_client: Redis) -> None:
    """A cordon in Redis and a mark on the pod are all there is to know: the same worker goes, after a fresh check."""
    world.deploy("stt", 3)
    world.pods["p-stt-0"] = replace(world.pods["p-stt-0"], cordoned=True, deletion_cost=VICTIM_COST)
    await redis_client.set(KEYS.cordon(STT_GROUP, "p-stt-0"), "seen", ex=30)
    await world.scaler(stt("fixed", 2)).tick()
    assert world.calls == ["scale stt 2"]
    assert await redis_client.ttl(KEYS.cordon(STT_GROUP, "p-stt-0")) > 30


async def test_a_new_operator_takes_back_what_is_not_wanted_any_more(world: World, redis_client: Redis) -> None:
    """Workers that stand aside for a scale-down that nobody wants work again, though nobody remembers why they do."""
    world.deploy("stt", 2)
    world.pods["p-stt-0"] = replace(world.pods["p-stt-0"], cordoned=True, deletion_cost=VICTIM_COST)
    await redis_client.set(KEYS.cordon(STT_GROUP, "p-stt-0"), "seen", ex=30)
    await redis_client.set(KEYS.cordon(STT_GROUP, "p-stt-1"), "asked", ex=30)
    await world.scaler(stt("fixed", 2)).tick()
    assert world.calls == ["unmark p-stt-0"]
    assert await redis_client.keys("s:cordon:*") == []


@pytest.mark.parametrize("mode", ["external", "paused"])
async def test_other_peoples_numbers_are_left_alone(world: World, redis_client: Redis, mode: Mode) -> None:
    """Whatever the backlog: an HPA's number is reported and not touched, and a pause is a pause."""
    speaker = Speaker(redis_client, KEYS)
    await speaker.open()
    await speaker.speak(50)
    world.deploy("stt", 2)
    world.deployments["stt"] = replace(world.deployments["stt"], existing=3)
    report = only(await world.scaler(stt(mode, 7)).tick())
    assert (report.decision.reason, report.decision.replicas) == (mode.capitalize(), 2)
    assert report.backlog.undelivered == 50
    assert world.calls == []
    assert await redis_client.keys("s:cordon:*") == []


async def test_a_backlog_makes_more_workers(world: World, redis_client: Redis) -> None:
    """Much that waits is more workers at the first look."""
    speaker = Speaker(redis_client, KEYS)
    await speaker.open()
    await speaker.speak(100)
    world.deploy("stt", 1)
    report = only(await world.scaler(stt()).tick())
    assert world.calls == ["scale stt 5"]
    assert report.decision.reason == "AtMaximum"
    assert report.backlog.arrived_work == 200.0


async def test_while_redis_is_away_the_number_stays_and_the_reason_is_said(valkey_server: ValkeyServer) -> None:
    """Held on any error, never taken for an empty backlog; read again when Redis is back."""
    world = World(valkey_server.url)
    world.deploy("stt", 3)
    scaler = world.scaler(stt())
    assert only(await scaler.tick()).decision.valid
    valkey_server.kill()
    for _ in range(3):
        world.now += 600
        report = only(await scaler.tick())
        assert (report.decision.valid, report.decision.reason, report.decision.replicas) == (False, "Hold", 3)
        assert report.error
    assert world.calls == []
    valkey_server.start()
    assert only(await scaler.tick()).decision.valid
    world.url = ""
    await scaler._redis.close()
    assert "p-redis is missing" in only(await scaler.tick()).decision.detail


async def test_a_number_in_the_spec_is_not_held_up_for_ever_by_a_redis_that_is_away(world: World) -> None:
    """At first only pods without a node go; after a minute the workers' own draining has to do."""
    world.url = ""
    world.deploy("stt", 3)
    homeless = replace(world.pods["p-stt-0"], ready=False, scheduled=False, unschedulable="0/1 nodes")
    world.pods["p-stt-0"] = homeless
    scaler = world.scaler(stt("fixed", 1))
    await scaler.tick()
    assert world.calls == ["scale stt 2"]
    del world.pods["p-stt-0"]
    world.deployments["stt"] = replace(world.deployments["stt"], existing=2, updated=2)
    await scaler.tick()
    assert world.calls == ["scale stt 2"]
    world.now += 61
    await scaler.tick()
    assert world.calls == ["scale stt 2", "scale stt 1"]


async def test_a_refused_permission_is_said(world: World) -> None:
    """The decision stands in the report, with the reason why it is not carried out."""
    world.deploy("stt", 1)
    call = Call("apply", "Deployment", "deployments", "apps", "voice", "p-stt", "scale")
    world.refuses = Forbidden(call, "grant it by a Role", status=403)
    report = only(await world.scaler(stt("fixed", 2)).tick())
    assert (report.decision.replicas, report.error) == (2, "grant it by a Role")
    world.refuses = Conflict(call, "another version", status=409)
    assert only(await world.scaler(stt("fixed", 2)).tick()).error == ""


async def test_nothing_is_done_on_what_was_seen_before_the_last_number(world: World) -> None:
    """Until the watch shows what the number changed, the same Deployment is no ground for another."""
    world.deploy("stt", 1)
    old = world.deployments["stt"]
    scaler = world.scaler(stt("fixed", 2))
    await scaler.tick()
    new, world.deployments["stt"] = world.deployments["stt"], old
    await scaler.tick()
    assert world.calls == ["scale stt 2"]
    world.deployments["stt"] = replace(new, desired=1, resource_version="9")
    await scaler.tick()
    assert world.calls == ["scale stt 2"] * 2


async def test_consumers_of_pods_that_are_gone_are_forgotten_unless_they_hold_jobs(
    world: World, redis_client: Redis
) -> None:
    """Deleting a consumer deletes what it holds, so one with jobs stays until a peer has taken them."""
    await redis_client.xadd(KEYS.audio_jobs, {"job": "x"})
    for name in ("p-stt-0", "p-stt-gone", "somebody"):
        await redis_client.xgroup_createconsumer(KEYS.audio_jobs, STT_GROUP, name)
    await redis_client.xreadgroup(STT_GROUP, "p-stt-holds", {KEYS.audio_jobs: ">"})
    world.deploy("stt", 1)
    await world.scaler(stt("fixed", 1)).tick()
    left = {row["name"] for row in await redis_client.xinfo_consumers(KEYS.audio_jobs, STT_GROUP)}
    assert left == {b"p-stt-0", b"p-stt-holds", b"somebody"}


async def test_translation_grows_before_its_queue_does(world: World, redis_client: Redis) -> None:
    """With much before STT and nothing before translation yet, translation is scaled by what STT will send."""
    speaker = Speaker(redis_client, KEYS)
    await speaker.open()
    await speaker.speak(100)
    world.deploy("stt", 5)
    world.deploy("translation", 1)
    scaler = world.scaler(stt(), ScaledStage("translation", "auto", 1, POLICY), fan_out=2)
    report = await scaler.tick()
    assert report.stage("translation").decision.reason in ("Upstream", "AtMaximum")
    assert world.calls == ["scale translation 5"]


async def test_a_stage_at_rest_is_only_glanced_at(world: World, redis_client: Redis) -> None:
    """Whole reads stop while nothing happens, and the first thing that does is seen at the next tick."""

    async def whole_reads() -> int:
        stats = await redis_client.info("commandstats")
        return int(stats.get("cmdstat_xinfo|stream", {}).get("calls", 0))

    world.deploy("stt", 1)
    scaler = world.scaler(stt())
    await scaler.tick()
    before = await whole_reads()
    for _ in range(5):
        assert only(await scaler.tick()).backlog.arrived_jobs == 0
    assert await whole_reads() == before
    speaker = Speaker(redis_client, KEYS)
    await speaker.open()
    await speaker.speak()
    assert only(await scaler.tick()).backlog.undelivered == 1
    await redis_client.delete(KEYS.audio_jobs)
    assert only(await scaler.tick()).backlog.arrived_jobs == 1
    before = await whole_reads()
    await scaler.tick()
    assert await whole_reads() == before
    await redis_client.hincrby(KEYS.load(STT_GROUP), "arrived_ms", 5000)
    assert only(await scaler.tick()).backlog.arrived_work == 7.0
    world.now += 61
    before = await whole_reads()
    await scaler.tick()
    assert await whole_reads() > before


async def test_a_pipeline_that_moves_to_another_redis_is_read_there(
    world: World, redis_client: Redis, valkey_server: ValkeyServer
) -> None:
    """From the next tick on the new server counts, and what the old one had counted is no measure for it."""
    speaker = Speaker(redis_client, KEYS)
    await speaker.open()
    await speaker.speak(3)
    world.deploy("stt", 1)
    scaler = world.scaler(stt())
    assert only(await scaler.tick()).backlog.undelivered == 3
    world.url = valkey_server.url
    scaler.update(ScaledPipeline((stt(),), KEYS.prefix, ExternalRedis(url=valkey_server.url)))
    assert only(await scaler.tick()).backlog.undelivered == 0


async def test_the_loop_reports_and_ends(world: World) -> None:
    """A scaler that runs reports each tick, and stops when its pipeline is gone."""
    world.deploy("stt", 1)
    scalers: Scalers[str] = Scalers(lambda key, pipeline: made(key, pipeline))
    news: list[bool] = []

    def made(key: str, pipeline: ScaledPipeline) -> PipelineScaler:
        surroundings = replace(world.surroundings(), report=lambda report: news.append(scalers.took(key, report)))
        return PipelineScaler(key, pipeline, surroundings)

    pipeline = ScaledPipeline((stt("fixed", 1),), KEYS.prefix)
    scalers.ensure("a", pipeline)
    await eventually(lambda: scalers.report("a").stages, "the first report")
    assert news == [True]
    scalers.poke("a")
    await eventually(lambda: len(news) == 2, "the next report")
    assert news[1] is False
    scalers.ensure("a", ScaledPipeline((stt("fixed", 2),), KEYS.prefix))
    await eventually(lambda: world.calls == ["scale stt 2"], "the new number")
    await scalers.forget("a")
    assert scalers.report("a") == ScalingReport()
    await scalers.close()
