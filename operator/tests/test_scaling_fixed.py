"""A given number of GPU workers never makes a rollout on full GPUs stand still, and costs one worker at most."""

from dataclasses import replace

from speechpipe_operator.autoscaling.fixed import PATIENCE_SECONDS, Places, fixed, waits_in_vain
from speechpipe_operator.autoscaling.stages import ScaledStage
from speechpipe_operator.autoscaling.types import Policy
from speechpipe_operator.observed import PodState, WorkloadState

FOUR = ScaledStage("stt", "fixed", 4, Policy(4, 4), scarce=True)


def crew(placed: int, waiting: int = 0, ending: int = 0) -> list[PodState]:
    """So many pods that run, wait for a GPU, and are about to end."""
    pod = PodState("p", "u", "stt", "1", "rs", "Running", True, True, 0.0)
    waits = replace(pod, phase="Pending", ready=False, scheduled=False, unschedulable="0/2 nodes are available")
    return [pod] * placed + [waits] * waiting + [replace(pod, terminating=True)] * ending


def workload(desired: int, updated: int, existing: int) -> WorkloadState:
    """The Deployment of the crew."""
    return WorkloadState("Deployment", "p-stt", "stt", "u", "1", desired, 1, 1, updated=updated, existing=existing)


def test_where_all_fit_the_spec_is_done() -> None:
    """With a place for each, and in a rollout of those, the number is the spec's, though one waits for a moment."""
    decision, places = fixed(FOUR, workload(4, 4, 4), crew(4), None, 0.0)
    assert (decision.replicas, decision.reason, places) == (4, "Fixed", Places(4))
    for pods in (crew(3, 1, ending=1), crew(3, 1)):
        decision, places = fixed(FOUR, workload(4, 1, 4), pods, places, 1.0)
        assert (decision.replicas, decision.reason) == (4, "Fixed")


def test_one_waits_for_a_gpu_and_no_more() -> None:
    """Of four on two GPUs three are asked for, so that a GPU that comes free is used; in a rollout two; then three."""
    decision, places = fixed(FOUR, workload(4, 4, 4), crew(2, 2), None, 0.0)
    assert (decision.replicas, decision.reason) == (3, "GpuStarved")
    assert waits_in_vain(decision, workload(4, 4, 4), crew(2, 2))
    decision, places = fixed(FOUR, workload(3, 1, 3), crew(2, 1), places, 1.0)
    assert decision.replicas == 2
    decision, places = fixed(FOUR, workload(2, 1, 2), crew(1, 1, ending=1), places, 2.0)
    assert decision.replicas == 2
    decision, places = fixed(FOUR, workload(2, 2, 2), crew(2), places, 3.0)
    assert (decision.replicas, decision.reason) == (4, "Fixed")


def test_a_rollout_that_was_not_seen_to_begin_ends_too() -> None:
    """An operator that starts in a rollout, or that was mistaken about the places, lowers the number after a while."""
    assert fixed(FOUR, workload(4, 2, 4), crew(2, 2), None, 0.0)[0].replicas == 2
    mistaken = Places(4)
    decision, mistaken = fixed(FOUR, workload(4, 2, 4), crew(2, 2), mistaken, 1.0)
    assert decision.replicas == 4
    decision, mistaken = fixed(FOUR, workload(4, 2, 4), crew(2, 2), mistaken, 1.0 + PATIENCE_SECONDS)
    assert decision.replicas == 2


def test_workers_without_accelerators_keep_their_number() -> None:
    """Where pods wait for something else, a number given is left alone."""
    plain = replace(FOUR, scarce=False)
    assert fixed(plain, workload(4, 4, 4), crew(2, 2), None, 0.0)[0].replicas == 4
