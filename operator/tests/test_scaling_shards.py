"""The scaler over several Valkeys: it adds them up, holds while one is away, drains on all, and looks at those that
are to go.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest_asyncio
from scaling_support import Speaker
from test_scaling_stage import KEYS, POLICY, World

from speechpipe_common.keys import STT_GROUP
from speechpipe_common.store import connect
from speechpipe_common.testing import ValkeyServer
from speechpipe_operator.autoscaling.report import StageReport
from speechpipe_operator.autoscaling.scaler import PipelineScaler
from speechpipe_operator.autoscaling.stages import Mode, ScaledPipeline, ScaledStage
from speechpipe_operator.observed import ShardUse


class Wide(World):
    """Two Valkeys that are a pipeline's own."""

    def __init__(self, servers: list[ValkeyServer]) -> None:
        super().__init__(",".join(server.url for server in servers))
        self.servers = servers
        self.clients = [connect(server.url) for server in servers]

    def wide_scaler(self, *, placing: int = 2, mode: Mode = "auto") -> PipelineScaler:
        """One that has just started, on as many shards, of which so many are to stay."""
        stage = ScaledStage("stt", mode, 1, POLICY)
        pipeline = ScaledPipeline((stage,), KEYS.prefix, None, ("redis", "redis-1"), placing)
        return PipelineScaler("p", pipeline, self.surroundings(), clock=lambda: self.now)

    async def tick(self, scaler: PipelineScaler) -> StageReport:
        """Look, decide, act; what was reported of the workers."""
        report = (await scaler.tick()).stage("stt")
        assert report is not None
        return report


@pytest_asyncio.fixture
async def wide(tmp_path: Path) -> AsyncIterator[Wide]:
    """Both empty, with the streams' groups, and one worker."""
    servers = [ValkeyServer(tmp_path / f"valkey-{number}", aof=True) for number in range(2)]
    for server in servers:
        server.start()
    world = Wide(servers)
    for client in world.clients:
        for stream in (KEYS.audio_jobs, KEYS.audio_partials):
            await client.xgroup_create(stream, STT_GROUP, id="0", mkstream=True)
    world.deploy("stt", 1)
    yield world
    for client in world.clients:
        await client.aclose()
    for server in servers:
        server.kill()


async def test_the_backlog_is_that_of_all_shards(wide: Wide):
    """Jobs on one and on the other add up, those in hand as well, and so does what is decided."""
    for client, segments in zip(wide.clients, (30, 40), strict=True):
        speaker = Speaker(client, KEYS)
        await speaker.open()
        await speaker.speak(segments)
    await wide.clients[1].xreadgroup(STT_GROUP, "p-stt-0", {KEYS.audio_jobs: ">"}, count=5)
    report = await wide.tick(wide.wide_scaler())
    assert report.backlog is not None
    assert (report.backlog.undelivered, report.backlog.pending) == (65, 5)
    assert report.decision.replicas == POLICY.max_replicas


async def test_a_shard_that_is_away_holds_the_number(wide: Wide):
    """What can't be read is not empty: nothing is scaled down for it, and the shard is named; then all goes on."""
    wide.deploy("stt", 3)
    scaler = wide.wide_scaler()
    assert (await wide.tick(scaler)).decision.valid
    wide.servers[1].kill()
    wide.now += 100_000
    report = await wide.tick(scaler)
    assert (report.decision.replicas, report.decision.valid, report.backlog) == (3, False, None)
    assert "shard 1" in report.error
    assert wide.calls == []
    wide.servers[1].start()
    wide.now += 1
    assert (await wide.tick(scaler)).decision.valid


async def test_a_worker_goes_when_it_is_drained_on_every_shard(wide: Wide):
    """A worker that has seen its cordon on one Valkey, or holds a job on the other, is not marked to go."""
    wide.deploy("stt", 2)
    scaler = wide.wide_scaler(mode="fixed")
    await wide.tick(scaler)
    names = [name for name in wide.pods if await wide.clients[0].exists(KEYS.cordon(STT_GROUP, name))]
    [victim] = names
    cordon = KEYS.cordon(STT_GROUP, victim)
    assert await wide.clients[1].exists(cordon)
    await wide.clients[0].set(cordon, "seen", keepttl=True)
    for _ in range(3):
        wide.now += 3
        await wide.tick(scaler)
    assert not any(call.startswith(("mark", "scale")) for call in wide.calls)
    await wide.clients[1].xadd(KEYS.audio_jobs, {"job": "x"})
    await wide.clients[1].xreadgroup(STT_GROUP, victim, {KEYS.audio_jobs: ">"})
    await wide.clients[1].set(cordon, "seen", keepttl=True)
    for _ in range(3):
        wide.now += 3
        await wide.tick(scaler)
    assert not any(call.startswith("scale") for call in wide.calls)
    entries: Any = await wide.clients[1].xrange(KEYS.audio_jobs)
    await wide.clients[1].xack(KEYS.audio_jobs, STT_GROUP, entries[0][0])
    await wide.clients[1].xdel(KEYS.audio_jobs, entries[0][0])
    for _ in range(3):
        wide.now += 3
        await wide.tick(scaler)
    assert "scale stt 1" in wide.calls


async def test_shards_that_are_to_go_are_looked_at(wide: Wide):
    """Only those, and only while there are some; a pipeline at rest is looked at as often as one at work."""
    assert (await wide.wide_scaler().tick()).emptying is None
    await Speaker(wide.clients[1], KEYS).open()
    report = await wide.wide_scaler(placing=1).tick()
    assert report.emptying is not None
    assert report.emptying.uses == (ShardUse(1, 1, 0, resumable=True),)
    assert report.emptying.began == wide.now
