"""How long a worker takes to start, measured while others start beside it."""

from speechpipe_operator.autoscaling.startup import FIRST_STARTUP_SECONDS, LONGEST_STARTUP_SECONDS, MOST_GROUPS, Startup
from speechpipe_operator.autoscaling.types import Workers


def watched(*looks: tuple[float, int, int]) -> Startup:
    """After looks at (time, ready, starting)."""
    startup = Startup()
    for now, ready, starting in looks:
        startup = startup.watch(Workers(desired=ready + starting, ready=ready, starting=starting), now)
    return startup


def test_one_worker_is_measured_from_first_sight_to_ready() -> None:
    """Seen to start at 10, ready at 55: 45 seconds; until then what was believed, or what it has taken so far."""
    looks = ((0.0, 1, 0), (10.0, 1, 1))
    assert watched(*looks).expected(12.0) == FIRST_STARTUP_SECONDS
    assert watched(*looks).expected(40.0) == 30.0
    assert watched(*looks, (55.0, 2, 0)).expected(300.0) == 45.0


def test_starts_that_overlap_do_not_add_up() -> None:
    """A worker more every 20 s, each 45 s on its way, for ten minutes: 45 seconds, not ten minutes."""
    looks = []
    for second in range(0, 600, 5):
        begun = second // 20
        ready = max(0, second - 45) // 20 if second >= 45 else 0
        looks.append((float(second), ready, begun - ready))
    assert 40.0 <= watched(*looks).seconds <= 50.0
    assert watched(*looks).expected(600.0) <= 70.0


def test_workers_that_are_taken_back_measure_nothing() -> None:
    """Starting ones that go away without getting ready leave the measurement as it was."""
    after = watched((0.0, 2, 0), (10.0, 2, 3), (50.0, 2, 0))
    assert after.expected(50.0) == FIRST_STARTUP_SECONDS
    assert after.groups == ()


def test_the_measurement_is_bounded() -> None:
    """A worker that never gets ready counts for five minutes at most, and groups are merged beyond a bound."""
    assert watched((0.0, 0, 1)).expected(10_000.0) == LONGEST_STARTUP_SECONDS
    many = watched(*((float(second), 0, second + 1) for second in range(100)))
    assert len(many.groups) == MOST_GROUPS
    assert sum(count for _, count in many.groups) == 100
