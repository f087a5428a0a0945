"""Admission: each limit refuses at its bound, with its own name and wait."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechpipe_gateway.admission import (
    REFUSALS,
    Admit,
    Budget,
    Limits,
    Load,
    Refuse,
    admit_session,
    admit_socket,
    admit_waiting,
)

LIMITS = Limits(
    max_sessions=10,
    max_sessions_per_key=5,
    max_queue_depth=100,
    max_memory_percent=80,
    max_unauthenticated=20,
    max_unauthenticated_per_address=4,
    auth_timeout_seconds=5,
    pre_auth_bytes=4_096,
)
CALM = Load(sessions=9, key_sessions=4, queue_depth=99, memory_percent=79.9, redis_ready=True, draining=False)


@pytest.mark.parametrize("memory", [79.9, None])
def test_below_every_limit_a_session_is_admitted(memory: float | None) -> None:
    """The last place is given, also where Redis has no maxmemory."""
    assert admit_session(LIMITS, replace(CALM, memory_percent=memory), None, resuming=False) == Admit()


@pytest.mark.parametrize(
    ("load", "code", "resuming_too"),
    [
        (replace(CALM, draining=True), "draining", True),
        (replace(CALM, redis_ready=False), "redis_unavailable", True),
        (replace(CALM, sessions=10), "full", True),
        (replace(CALM, key_sessions=5), "key_full", True),
        (replace(CALM, queue_depth=100), "overloaded", False),
        (replace(CALM, memory_percent=80.0), "storage_full", False),
    ],
)
def test_each_limit_refuses_at_its_bound(load: Load, code: str, resuming_too: bool) -> None:
    """Each limit has its name and a wait; a session that resumes is kept out only by what it needs a place in."""
    decision = admit_session(LIMITS, load, None, resuming=False)
    assert isinstance(decision, Refuse)
    assert decision.code == code
    assert code in REFUSALS
    assert decision.retry_after >= 1
    assert isinstance(admit_session(LIMITS, load, None, resuming=True), Refuse) is resuming_too


@pytest.mark.parametrize(("own", "admitted"), [(5, True), (4, False), (None, True)])
def test_a_key_may_have_its_own_limit(own: int | None, admitted: bool) -> None:
    """The number in a key's line goes before the common one."""
    assert isinstance(admit_session(LIMITS, CALM, own, resuming=False), Admit) is admitted


@pytest.mark.parametrize(
    ("total", "of_address", "draining", "code"),
    [
        (19, 3, False, None),
        (20, 0, False, "too_many_unauthenticated"),
        (4, 4, False, "too_many_unauthenticated"),
        (0, 0, True, "draining"),
    ],
)
def test_unauthenticated_connections_are_few(total: int, of_address: int, draining: bool, code: str | None) -> None:
    """A thousand sockets without a key do not get in: few in all, fewer from one address."""
    decision = admit_socket(LIMITS, total, of_address, draining=draining)
    assert (decision.code if isinstance(decision, Refuse) else None) == code
    assert code is None or code in REFUSALS


@pytest.mark.parametrize(
    ("age", "received", "code"), [(4.9, 4_096, None), (5.0, 0, "auth_timeout"), (0, 4_097, "auth_too_big")]
)
def test_a_key_must_come_soon(age: float, received: int, code: str | None) -> None:
    """Without a key a connection lives 5 s and 4 kB."""
    decision = admit_waiting(LIMITS, age, received)
    assert (decision.code if isinstance(decision, Refuse) else None) == code
    assert code is None or code in REFUSALS


def test_a_budget_lets_a_seconds_worth_through_at_once() -> None:
    """Within the rate nobody waits; beyond it, as long as the excess takes; a pause fills the budget, no further."""
    budget = Budget(10, now=0)
    assert [budget.spend(1, 0) for _ in range(10)] == [0] * 10
    assert budget.spend(5, 0) == 0.5
    assert budget.spend(0, 0.5) == 0
    assert budget.spend(10, 100) == 0
    assert budget.spend(1, 100) == pytest.approx(0.1)


@given(st.lists(st.tuples(st.floats(0.001, 5), st.floats(0, 3)), min_size=1, max_size=50))
def test_whoever_waits_as_told_keeps_the_rate(spendings: list[tuple[float, float]]) -> None:
    """Over any stretch, no more gets through than the rate and one second's worth, if the waits are kept."""
    budget, now, spent = Budget(5, now=0), 0.0, 0.0
    for amount, pause in spendings:
        now += pause
        spent += amount
        now += budget.spend(amount, now)
        assert spent <= 5 * now + 5 + 1e-6
