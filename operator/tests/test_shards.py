"""A changing number of Redis: what is decided, and what is said of it. Values in, values out."""

from dataclasses import replace

import pytest
from test_status import NOW, condition, healthy, subject, workload

from speechpipe_operator.autoscaling.report import ScalingReport
from speechpipe_operator.components import RedisUrl
from speechpipe_operator.objects import Ref
from speechpipe_operator.observed import ApplyProblem, ApplyReport, Observed, Occupancy, PodState, ShardUse
from speechpipe_operator.plan import make_plan
from speechpipe_operator.reconcile.shards import ShardRollout
from speechpipe_operator.shards import Shards
from speechpipe_operator.status import Subject, make_status


class Timeline:
    """Reconciles of one pipeline, second by second; each is applied unless said otherwise."""

    def __init__(self) -> None:
        self.now = 0.0
        self.rollout = ShardRollout(lambda: self.now)
        self.existing = 0

    def turn(self, wanted: int, observed: Observed, occupancy: Occupancy | None = None) -> Shards:
        """One reconcile, after which the shards that it wants exist and no others."""
        self.now += 1
        shards = self.rollout.decide("uid", wanted, self.existing, observed, occupancy)
        self.rollout.applied("uid", shards)
        self.existing = shards.running
        return shards

    def look(self, *uses: ShardUse) -> Occupancy:
        """What the scaler finds now."""
        self.now += 1
        return Occupancy(self.now, uses)


def seen(count: int, **changed: object) -> Observed:
    """``count`` Redis, a gateway and a worker as they should be, but for what is ``changed``."""
    names = {"redis": "redis", **{f"redis_{number}": f"redis-{number}" for number in range(1, count)}}
    parts = {key: workload(name) for key, name in {**names, "gateway": "gateway", "stt": "stt"}.items()}
    return Observed(tuple({**parts, **changed}.values()))  # type: ignore[arg-type]


def empty(shard: int) -> ShardUse:
    """Nothing is on it."""
    return ShardUse(shard, 0, 0, resumable=False)


def test_a_new_pipeline_has_all_its_shards_at_once():
    """There is nothing to wait for where no gateway runs."""
    assert Timeline().turn(3, Observed()) == Shards(3, 3, 3)


def test_gateways_hear_of_new_shards_when_workers_read_them():
    """New ones start and workers are replaced first; gateways follow once all of these are ready and none rolls."""
    time = Timeline()
    time.turn(1, Observed())
    assert time.turn(3, seen(1)) == Shards(3, 1, 1)
    rolling = workload("stt", updated=0)
    assert time.turn(3, seen(3, stt=rolling)) == Shards(3, 1, 1)
    assert time.turn(3, seen(2)) == Shards(3, 1, 1), "one is not there yet"
    assert time.turn(3, seen(3, redis_2=workload("redis-2", ready=0))) == Shards(3, 1, 1)
    assert time.turn(3, seen(3)) == Shards(3, 3, 3)
    assert time.turn(3, seen(3, stt=rolling)) == Shards(3, 3, 3), "what is known stays known"


def test_a_shard_goes_when_no_gateway_places_there_and_nothing_is_on_it():
    """Gateways are told first; a look from before the last of them was replaced does not count, nor one that found
    something; then it goes.
    """
    time = Timeline()
    time.turn(3, Observed())
    kept = Shards(3, 3, 2)
    early = time.look(empty(2))
    assert time.turn(2, seen(3), early) == kept, "gateways have not been told"
    rolling = seen(3, gateway=workload("gateway", updated=0))
    assert time.turn(2, rolling, time.look(empty(2))) == kept
    ending = PodState("p-gateway-1", "u", "gateway", "1", "rs", "Running", True, True, 0.0, terminating=True)
    left = replace(seen(3), pods=(ending,))
    assert time.turn(2, left, time.look(empty(2))) == kept, "a gateway that ends may have placed one just now"
    before = time.look(empty(2))
    assert time.turn(2, seen(3), before) == kept, "looked at before that was seen"
    assert time.turn(2, seen(3)) == kept
    for use in (
        ShardUse(2, 1, 0, resumable=True),
        ShardUse(2, 0, 1, resumable=False),
        ShardUse(2, 0, 0, resumable=True),
    ):
        assert time.turn(2, seen(3), time.look(use)) == kept
    unread = Occupancy(time.now + 1, (), "shard 2: away")
    assert time.turn(2, seen(3), unread) == kept
    assert time.turn(2, seen(3), time.look(empty(2))) == Shards(2, 2, 2)


def test_the_last_ones_go_first():
    """Shards are numbered without gaps: an empty one waits for those behind it."""
    time = Timeline()
    time.turn(4, Observed())
    time.turn(1, seen(4))
    time.turn(1, seen(4))
    used = ShardUse(2, 5, 0, resumable=True)
    assert time.turn(1, seen(4), time.look(empty(1), used, empty(3))) == Shards(3, 3, 1)
    assert time.turn(1, seen(3), time.look(empty(1), empty(2))) == Shards(1, 1, 1)


def test_a_removal_can_be_called_off():
    """Wanted again, a shard takes sessions at once: it has been read all along."""
    time = Timeline()
    time.turn(3, Observed())
    time.turn(1, seen(3))
    assert time.turn(2, seen(3)) == Shards(3, 3, 2)
    assert time.turn(3, seen(3)) == Shards(3, 3, 3)
    assert time.turn(1, seen(3), time.look(empty(1), empty(2))) == Shards(3, 3, 1), "all begins anew"


def test_an_operator_that_begins_keeps_what_there_is():
    """It knows neither what gateways were told nor what is on a shard, so that none goes before it does."""
    time = Timeline()
    time.existing = 3
    assert time.turn(1, seen(3), time.look(empty(1), empty(2))) == Shards(3, 3, 1)


def test_one_shard_changes_nothing():
    """The plan of a pipeline without shards has no setting that it had not before."""
    plan = subject().plan
    assert [component.name for component in plan.components] == ["redis", "gateway", "stt"]
    assert all("REDIS_SHARDS" not in component.env for component in plan.components)
    assert plan.component("gateway").env["REDIS_URL"] == RedisUrl(("redis",))


def test_a_plan_in_the_midst_of_a_change():
    """Workers read all that run; gateways know their part, and the number that takes new sessions where it is less."""
    pipeline = _sharded(3).pipeline
    growing = make_plan(pipeline, Shards(3, 1, 1))
    assert growing.component("gateway").env["REDIS_URL"] == RedisUrl(("redis",))
    assert growing.component("stt").env["REDIS_URL"] == RedisUrl(("redis", "redis-1", "redis-2"))
    assert "REDIS_SHARDS" not in growing.component("gateway").env
    shrinking = make_plan(pipeline, Shards(3, 3, 2)).component("gateway").env
    assert (shrinking["REDIS_URL"], shrinking["REDIS_SHARDS"]) == (RedisUrl(("redis", "redis-1", "redis-2")), "2")


def _sharded(wanted: int, observed: Observed | None = None, shards: Shards | None = None, **more: object) -> Subject:
    made = subject(observed or seen(wanted), redis={"managed": {"shards": wanted}}, **more)  # type: ignore[arg-type]
    return replace(made, plan=make_plan(made.pipeline, shards))


def test_the_condition_counts_shards_and_names_the_one_that_is_away():
    """All of them ready is RedisReady; one that is not is named, with its number, and so is what was refused of it."""
    status = make_status(_sharded(3), {}, 1, NOW)
    found = condition(status, "RedisReady")
    assert (found["status"], found["reason"], found["message"]) == ("True", "AllReady", "3 of 3 ready")
    broken = seen(3, redis_1=workload("redis-1", ready=0))
    found = condition(make_status(_sharded(3, broken), {}, 1, NOW), "RedisReady")
    assert (found["status"], found["reason"]) == ("False", "Starting")
    assert found["message"].startswith("2 of 3 ready; shard 2 of 3 (p-redis-1): 0 of 1 ready")
    problem = ApplyProblem(Ref("StatefulSet", "p-redis-2"), "Forbidden", "no right", permanent=True)
    report = ApplyReport(problems=(problem,))
    found = condition(make_status(_sharded(3, report=report), {}, 1, NOW), "RedisReady")
    assert found["message"] == "2 of 3 ready; shard 3 of 3 (p-redis-2): no right"


@pytest.mark.parametrize(
    ("emptying", "said"),
    [
        (None, "looked at once all gateways have been replaced"),
        (Occupancy(1.0, (ShardUse(2, 4, 2, resumable=True),)), "p-redis-2 has 4 sessions and 2 jobs"),
        (Occupancy(1.0, (ShardUse(2, 0, 0, resumable=True),)), "p-redis-2 has sessions that have ended and can be res"),
        (Occupancy(1.0, (empty(2),)), "it is empty, and gateways that could still use it are being replaced"),
        (Occupancy(1.0, (), "shard 2: away"), "can't be read: shard 2: away"),
    ],
)
def test_the_status_says_what_a_removal_waits_for(emptying: Occupancy | None, said: str):
    """A shard that is to go is named, with what is still on it, while the pipeline is ready."""
    scaling = ScalingReport(emptying=emptying)
    status = make_status(_sharded(2, seen(3), Shards(3, 3, 2), scaling=scaling), {}, 1, NOW)
    found = condition(status, "Progressing")
    assert (found["status"], found["reason"]) == ("True", "ShardsEmptying")
    assert "shard 3 of 3 (p-redis-2) takes no new sessions" in found["message"]
    assert said in found["message"]
    assert condition(status, "Ready")["status"] == "True"


def test_the_status_says_what_an_addition_waits_for():
    """While gateways do not know of it, the status says why new sessions do not go there."""
    status = make_status(_sharded(2, seen(2), Shards(2, 1, 1)), {}, 1, NOW)
    found = condition(status, "Progressing")
    assert (found["status"], found["reason"]) == ("True", "ShardsJoining")
    assert "1 of 2 shards" in found["message"]
    assert condition(make_status(subject(healthy()), {}, 1, NOW), "Progressing")["status"] == "False"
