"""The models of other autoscalers against timelines worked out by hand from their documentation."""

import pytest

from speechpipe_operator.simulate.contest import Candidate, Result, Score, cheapest, front
from speechpipe_operator.simulate.hpa import Behavior, Direction, Hpa, Rule, per_pod_replicas
from speechpipe_operator.simulate.keda import Keda, ScaledObject
from speechpipe_operator.simulate.kpa import Kpa, KpaConfig
from speechpipe_operator.simulate.scaler import Sample, Scaler


def sample(now: float, desired: int = 1, *, waiting: int = 0, held: int = 0, ready: int | None = None) -> Sample:
    """What a scaler sees; ready as desired, unless said otherwise."""
    ready = desired if ready is None else ready
    return Sample(now, waiting, held, 4.0 * waiting, 0.0, 0, 0.0, 0.0, 0.0, desired, ready, desired - ready, 0, 0)


def drive(scaler: Scaler, until: float, desired: int, jobs: dict[float, tuple[int, int]]) -> dict[float, int]:
    """Changes of the number of workers by time; ``jobs``: (waiting, held) from a second on. Workers start at once."""
    now, changes = 0.0, {}
    while now <= until:
        waiting, held = jobs[max(at for at in jobs if at <= now)]
        wanted, pause = scaler.look(sample(now, desired, waiting=waiting, held=held))
        if wanted != desired:
            changes[now] = desired = wanted
        now += pause
    return changes


@pytest.mark.parametrize(
    ("usage", "target", "replicas", "expected"),
    [
        (200, 100, 1, 2),  # the documentation's example: twice the value, twice the pods
        (50, 100, 2, 1),  # and half the value, half of them
        (109, 10, 10, 10),  # within a tenth: left alone
        (111, 10, 10, 12),
        (89, 10, 10, 9),
        (0, 10, 3, 0),
    ],
)
def test_the_hpa_formula(usage: float, target: float, replicas: int, expected: int):
    """ceil(usage / target) outside the tolerance of 10 %."""
    assert per_pod_replicas(usage, target, replicas) == expected


def test_the_hpa_rises_by_four_or_double_in_fifteen_seconds():
    """Default behaviour from one pod towards 100: 5, 10, 20, 40, 80, 100."""
    hpa, current, seen = Hpa(1, 100, Behavior()), 1, []
    for step in range(6):
        current = hpa.sync(15.0 * step, current, 100)
        seen.append(current)
    assert seen == [5, 10, 20, 40, 80, 100]


def test_the_hpa_counts_what_it_added_within_the_period():
    """A second look within the period allows nothing beyond what the period began with."""
    hpa = Hpa(1, 100, Behavior())
    assert hpa.sync(0.0, 10, 100) == 20
    assert hpa.sync(10.0, 20, 100) == 20
    assert hpa.sync(15.0, 20, 100) == 40


def test_the_hpa_falls_after_five_minutes_by_default():
    """The highest recommendation of the last 300 s holds; then all may go at once."""
    hpa, current, changes = Hpa(1, 100, Behavior()), 10, {}
    for second in range(0, 601, 15):
        wanted = hpa.sync(float(second), current, 10 if second <= 60 else 2)
        if wanted != current:
            changes[second] = current = wanted
    assert changes == {360: 2}


def test_the_hpa_follows_a_slower_rule_down():
    """50 % in 60 s: 16 pods become 8, 4, 2, 1, a minute apart."""
    slow = Behavior(down=Direction(0.0, (Rule("Percent", 50, 60.0),)))
    hpa, current, changes = Hpa(1, 100, slow), 16, {}
    for second in range(15, 301, 15):
        wanted = hpa.sync(float(second), current, 1)
        if wanted != current:
            changes[second] = current = wanted
    assert changes == {15: 8, 75: 4, 135: 2, 195: 1}


def test_keda_wakes_from_zero_at_its_poll_and_sleeps_after_the_cooldown():
    """Work at 10 s is seen at 30 s; then the HPA raises it; 300 s after the last active poll there are none."""
    keda = Keda(ScaledObject(triggers=(("streamLength", 1.0),)))
    changes = drive(keda, 900.0, 0, {0.0: (0, 0), 10.0: (3, 0), 100.0: (0, 0)})
    assert changes[30.0] == 1
    assert changes[37.0] == 3
    assert min(at for at, replicas in changes.items() if replicas == 0) == 420.0  # active at 90; 390 is not yet more


def test_keda_on_pending_entries_never_wakes():
    """Nobody holds an entry while there is no worker: why that trigger is no way to come back from zero."""
    pending = Keda(ScaledObject(triggers=(("pendingEntriesCount", 1.0),)))
    assert drive(pending, 600.0, 0, {0.0: (50, 0)}) == {}


def test_keda_takes_the_highest_of_several_triggers():
    """Six held at 0.7 each ask for nine; two waiting at 1 each for two: nine."""
    keda = Keda(ScaledObject(triggers=(("pendingEntriesCount", 0.7), ("lagCount", 1.0)), min_replicas=1))
    assert drive(keda, 21.0, 6, {0.0: (2, 6)}) == {7.0: 9}


def test_the_kpa_panics_at_twice_its_capacity_and_leaves_after_a_stable_window():
    """Ten jobs with two workers: panic at once. It scales down only 60 s after the last moment beyond the threshold."""
    kpa = Kpa(KpaConfig(utilization=1.0, min_replicas=1))
    now, desired, panics, numbers = 0.0, 2, {}, {}
    while now < 200.0:
        jobs = 10 if 30.0 <= now < 40.0 else 2
        wanted, pause = kpa.look(sample(now, desired, held=jobs))
        desired = numbers[now] = wanted
        panics[now] = kpa.panicking
        now += pause
    entered = min(at for at, panic in panics.items() if panic)
    left = min(at for at, panic in panics.items() if not panic and at > entered)
    assert entered == 30.0  # (5 x 2 + 10) / 6 in the panic window: four workers for two
    assert 60.0 < left - entered <= 76.0
    panicking = [numbers[at] for at in numbers if entered <= at < left]
    assert panicking == sorted(panicking)
    assert max(numbers.values()) == 10
    assert numbers[199.0] == 2


def test_the_kpa_aims_at_its_utilization():
    """Seven jobs all the time at a target of one and 70 %: ten workers."""
    assert drive(Kpa(KpaConfig()), 300.0, 8, {0.0: (0, 7)}) == {0.0: 10}


def test_the_kpa_takes_at_most_half_at_a_time():
    """``max-scale-down-rate`` 2: with nothing left to do for a window, 16 ready become 8, 4, 2, tick by tick."""
    kpa, desired, seen = Kpa(KpaConfig(stable_seconds=6.0, panic_threshold=100.0)), 16, []
    for second in range(60, 70):
        desired, _ = kpa.look(sample(float(second), desired))
        seen.append(desired)
    assert seen == [8, 8, 4, 4, 2, 2, 1, 1, 1, 1]


def test_the_kpa_keeps_the_last_worker_for_window_and_grace():
    """After 60 s without a job and 30 s of grace there is none; the first job brings one back."""
    changes = drive(Kpa(KpaConfig()), 200.0, 1, {0.0: (0, 1), 10.0: (0, 0), 150.0: (1, 0)})
    gone = min(at for at, replicas in changes.items() if replicas == 0)
    assert 10.0 + 60.0 + 30.0 <= gone <= 10.0 + 60.0 + 30.0 + 4.0
    assert any(replicas >= 1 for at, replicas in changes.items() if 150.0 <= at <= 154.0)


def scored(hours: float, p99: float, unfinished: int = 0) -> Score:
    """A score with those figures."""
    return Score(Candidate("x", KpaConfig()), (Result("t", 0.0, p99, hours, unfinished, 1, 0),))


def test_the_front_holds_what_nothing_beats():
    """Dearer and slower is out, and so is what leaves jobs undone; the cheapest within a wait is found on it."""
    scores = [scored(10, 5), scored(8, 9), scored(12, 5), scored(9, 10), scored(1, 0, unfinished=3), scored(20, 1)]
    assert [(each.worker_hours, each.p99) for each in front(scores)] == [(8, 9), (10, 5), (20, 1)]
    within = cheapest(scores, 6.0)
    assert within is not None
    assert within.worker_hours == 10
    assert cheapest(scores, 0.5) is None
