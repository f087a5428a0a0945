"""Why the number of workers is what it is, as a sentence with its numbers. Pure."""

from collections.abc import Callable
from typing import Final

from speechpipe_operator.autoscaling.estimate import Load
from speechpipe_operator.autoscaling.limits import scheduled
from speechpipe_operator.autoscaling.need import Wish
from speechpipe_operator.autoscaling.types import Observation, Policy, Reason


def explain(wish: Wish, policy: Policy, observation: Observation, load: Load, least: int) -> str:
    """The sentence for a decision.

    Args:
        wish: the number decided and its reason.
        policy: what the spec says.
        observation: what was seen.
        load: what was estimated from it.
        least: how many workers would do, were there no windows.
    """
    sentence = _SENTENCES.get(wish.reason, _load)
    return sentence(wish, policy, observation, load, least)


_Sentence = Callable[[Wish, Policy, Observation, Load, int], str]


def _load(wish: Wish, policy: Policy, observation: Observation, load: Load, least: int) -> str:
    return f"{_numbers(load)}: {_count(wish.replicas)}"


def _panic(wish: Wish, policy: Policy, observation: Observation, load: Load, least: int) -> str:
    return (
        f"{load.surge:.2f} s of audio arrive a second all at once and {load.work:.0f} s wait or are in hand, more than"
        f" twice what {_count(load.capacity)} should do: {_count(wish.replicas)}"
    )


def _upstream(wish: Wish, policy: Policy, observation: Observation, load: Load, least: int) -> str:
    return (
        f"The stage before is about to send {load.upstream:.1f} s of audio a second, {load.arriving:.1f} arrive now:"
        f" {_count(wish.replicas)}"
    )


def _stabilizing(wish: Wish, policy: Policy, observation: Observation, load: Load, least: int) -> str:
    return f"{_count(least)} would do, but not for {policy.stabilization_seconds:g} s yet: {_count(wish.replicas)}"


def _scaled_down(wish: Wish, policy: Policy, observation: Observation, load: Load, least: int) -> str:
    return (
        f"{_count(least)} would have done for {policy.stabilization_seconds:g} s: {wish.replicas} of"
        f" {observation.workers.desired} stay"
    )


def _draining(wish: Wish, policy: Policy, observation: Observation, load: Load, least: int) -> str:
    return (
        f"{_count(observation.workers.draining)} told to claim no more: {wish.replicas} of"
        f" {observation.workers.desired} stay"
    )


def _zero(wish: Wish, policy: Policy, observation: Observation, load: Load, least: int) -> str:
    return f"Nothing has been undelivered or pending for {policy.cooldown_seconds:g} s: no worker"


def _cooling(wish: Wish, policy: Policy, observation: Observation, load: Load, least: int) -> str:
    return f"Nothing is undelivered or pending, but not for {policy.cooldown_seconds:g} s yet: {_count(wish.replicas)}"


def _woken(wish: Wish, policy: Policy, observation: Observation, load: Load, least: int) -> str:
    return f"There is work again ({_numbers(load)}): {_count(wish.replicas)}"


def _minimum(wish: Wish, policy: Policy, observation: Observation, load: Load, least: int) -> str:
    return f"{_count(least)} would do; the minimum is {policy.min_replicas}"


def _maximum(wish: Wish, policy: Policy, observation: Observation, load: Load, least: int) -> str:
    return f"{_numbers(load)}; the maximum is {policy.max_replicas}"


def _starved(wish: Wish, policy: Policy, observation: Observation, load: Load, least: int) -> str:
    workers = observation.workers
    return (
        f"{_numbers(load)}, but {workers.unschedulable} of {workers.desired} workers find no node"
        f" ({scheduled(workers)} have one): {_count(wish.replicas)} asked for"
    )


def _rolling(wish: Wish, policy: Policy, observation: Observation, load: Load, least: int) -> str:
    return f"{_count(least)} would do, but workers are being replaced: {_count(wish.replicas)} until that is over"


def _numbers(load: Load) -> str:
    return (
        f"{load.rate:.2f} s of audio arrive a second, {load.work:.0f} s wait or are in hand, and a busy worker does"
        f" {load.speed:.2f} a second"
    )


def _count(workers: int) -> str:
    return "1 worker" if workers == 1 else f"{workers} workers"


_SENTENCES: Final[dict[Reason, _Sentence]] = {
    "Panic": _panic,
    "Upstream": _upstream,
    "Stabilizing": _stabilizing,
    "ScaledDown": _scaled_down,
    "Draining": _draining,
    "ScaledToZero": _zero,
    "CoolingDown": _cooling,
    "WokenUp": _woken,
    "AtMinimum": _minimum,
    "AtMaximum": _maximum,
    "GpuStarved": _starved,
    "RolloutInProgress": _rolling,
}
