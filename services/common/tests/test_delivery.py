"""The consumer's decisions, as tables."""

import pytest
from redis import exceptions

from speechpipe_common.consumer.delivery import (
    DeliveryPolicy,
    Overdue,
    choose,
    is_away,
    is_missing_group,
    may_claim,
    reason_to_give_up,
)

POLICY = DeliveryPolicy(claim_idle=6.0, max_deliveries=3)


def test_times_follow_the_claim_idle_time():
    """Two heartbeats may be lost before a job is overdue, and peers look more often than once per idle time."""
    assert POLICY.heartbeat == 2.0
    assert POLICY.look_for_overdue == 1.0
    assert DeliveryPolicy(claim_idle=0.5).look_for_overdue == 0.1


@pytest.mark.parametrize(("deliveries", "given_up"), [(1, False), (3, False), (4, True), (9, True)])
def test_a_job_is_given_up_after_its_last_delivery(deliveries, given_up):
    """A job is tried max_deliveries times and not once more; the reason names the bound."""
    reason = reason_to_give_up(deliveries, POLICY)
    assert (reason is not None) == given_up
    if reason:
        assert "3 deliveries" in reason


@pytest.mark.parametrize(
    ("overdue", "held", "chosen"),
    [
        ([], set(), None),
        (["1-0", "2-0"], set(), "1-0"),
        (["1-0", "2-0"], {"1-0"}, "2-0"),
        (["1-0"], {"1-0"}, None),
    ],
)
def test_the_oldest_overdue_job_is_taken_unless_it_is_in_work_here(overdue, held, chosen):
    """A worker whose own heartbeat is late does not take its own job a second time."""
    choice = choose([Overdue(entry, 1) for entry in overdue], held)
    assert (choice.entry if choice else None) == chosen


@pytest.mark.parametrize(
    ("regained_at", "now", "allowed"), [(None, 0.0, True), (10.0, 15.9, False), (10.0, 16.0, True)]
)
def test_nothing_is_claimed_right_after_an_outage(regained_at, now, allowed):
    """For one idle time after Redis came back, jobs are left to the workers that had them."""
    assert may_claim(now, regained_at, POLICY) is allowed


@pytest.mark.parametrize(
    ("error", "away"),
    [
        (exceptions.ConnectionError("gone"), True),
        (exceptions.TimeoutError("slow"), True),
        (exceptions.BusyLoadingError("LOADING"), True),
        (exceptions.OutOfMemoryError("OOM"), True),
        (exceptions.ReadOnlyError("READONLY"), True),
        (exceptions.ResponseError("MISCONF Errors writing to the AOF file"), True),
        (ConnectionRefusedError(), True),
        (exceptions.ResponseError("WRONGTYPE"), False),
        (exceptions.NoPermissionError("NOPERM"), False),
        (exceptions.ResponseError("NOGROUP No such key"), False),
        (ValueError("bug"), False),
    ],
)
def test_errors_that_pass_by_themselves(error, away):
    """Only what waiting can mend is waited for."""
    assert is_away(error) is away


@pytest.mark.parametrize(
    ("error", "missing"),
    [
        (exceptions.ResponseError("NOGROUP No such key 's' or consumer group 'g' in XREADGROUP"), True),
        (exceptions.ResponseError("no such key"), True),
        (exceptions.ResponseError("WRONGTYPE"), False),
        (exceptions.ConnectionError("NOGROUP"), False),
    ],
)
def test_a_missing_group_is_recognised(error, missing):
    """A Redis without our stream or group is told from other errors."""
    assert is_missing_group(error) is missing
