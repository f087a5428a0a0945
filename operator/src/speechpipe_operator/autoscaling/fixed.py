"""A number that the spec gives, and what full GPUs make of it. Pure.

A rollout of workers that take no surge may lack one worker. Where one waits for a GPU that one lacks already: the
Deployment waits for it for ever, and nobody gives up the GPU that it waits for. So in a rollout no more are asked for
than have a place, and before one only one more: what waits is spread over both ReplicaSets when the number is lowered,
and takes as many workers along.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from speechpipe_operator.autoscaling.crew import is_alive
from speechpipe_operator.autoscaling.stages import ScaledStage
from speechpipe_operator.autoscaling.types import Decision
from speechpipe_operator.observed import PodState, WorkloadState

PATIENCE_SECONDS: Final = 10.0
"""A pod may wait for so long in a rollout, while none ends, before it counts as one that finds no place: the scheduler
takes a moment to see a GPU that has come free."""


@dataclass(frozen=True, slots=True)
class Places:
    """How many workers have found a node at a time, and since when one has waited though none was ending."""

    fit: int
    waiting_since: float | None = None


def fixed(
    stage: ScaledStage, workload: WorkloadState, pods: Sequence[PodState], before: Places | None, now: float
) -> tuple[Decision, Places]:
    """The spec's number, or as many of it as have a place, and one more outside of rollouts.

    Args:
        stage: of mode fixed.
        workload: as observed.
        pods: of the workload, as observed.
        before: as returned by the call before; None at first.
        now: monotonic seconds.
    """
    placed = _placed(pods)
    waits = any(pod.unschedulable for pod in pods if is_alive(pod))
    # A number that was only asked for is no rollout: then nothing but the count of pods changes.
    rolling = workload.updated < workload.existing
    places = _places(pods, placed, before, workload.desired, now, rolling=rolling, waits=waits)
    most = max(1, places.fit) if rolling else placed + 1
    if stage.scarce and most < stage.replicas and (rolling or waits):
        detail = f"The spec asks for {stage.replicas}, of which {places.fit} have a place"
        return Decision(most, "GpuStarved", detail), places
    return Decision(stage.replicas, "Fixed", f"The spec asks for {stage.replicas}"), places


def waits_in_vain(decision: Decision, workload: WorkloadState, pods: Sequence[PodState]) -> bool:
    """Whether the number can be lowered at once, since only pods that wait for an accelerator are too many."""
    return decision.reason == "GpuStarved" and _placed(pods) <= decision.replicas < workload.desired


def _placed(pods: Sequence[PodState]) -> int:
    return sum(pod.scheduled for pod in pods if is_alive(pod))


def _places(
    pods: Sequence[PodState],
    placed: int,
    before: Places | None,
    desired: int,
    now: float,
    *,
    rolling: bool,
    waits: bool,
) -> Places:
    if not rolling:
        return Places(placed)
    # Of the time before a rollout that goes on nothing is known: what was asked for had a place, unless pods wait.
    known = before or Places(placed if waits else desired)
    if not waits or any(pod.terminating for pod in pods):
        return Places(max(known.fit, placed))
    since = now if known.waiting_since is None else known.waiting_since
    fit = placed if now - since >= PATIENCE_SECONDS else max(known.fit, placed)
    return replace(known, fit=fit, waiting_since=since)
