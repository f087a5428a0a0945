"""Why the scheduler finds no node, in words for the owner of a pipeline.

The scheduler's message reads ``0/3 nodes are available: 2 Insufficient nvidia.com/gpu, 1 node(s) had untolerated taint
{x: y}. preemption: …`` (kubernetes/pkg/scheduler/framework/types.go, ``FitError.Error``); nothing else tells, and it
needs no permission to read nodes.
"""

import re
from collections.abc import Sequence
from typing import Final

from speechpipe_operator.observed import PodState
from speechpipe_operator.status.verdict import Verdict, pods_of

_FIT: Final = re.compile(
    r"(?P<fit>\d+)/(?P<nodes>\d+) nodes are available: (?P<causes>.*?)(?:\.? preemption:.*)?\.?$", re.S
)
_CAUSE: Final = re.compile(r"(?:^|, )(?P<count>\d+) (?P<what>.*?)(?=, \d+ |$)", re.S)
_SHORT: Final = re.compile(r"Insufficient (\S+)")

HINTS: Final = (
    ("untolerated taint", "add a toleration (gpu.tolerations or podTemplate)"),
    ("didn't match Pod's node affinity/selector", "look at gpu.nodeSelector and podTemplate"),
    ("unbound immediate PersistentVolumeClaims", "look at the volume claims"),
    ("volume node affinity conflict", "the volume is on another node: use a ReadWriteMany class, or free that node"),
    ("didn't match pod topology spread constraints", "add nodes, or relax the spread"),
    ("were unschedulable", "nodes are cordoned"),
)
"""A part of the scheduler's cause, and what to do about it."""


def waiting(component: str, pods: Sequence[PodState], total: int, accelerator: str | None) -> Verdict | None:
    """What to say of pods that the scheduler has found no node for; None where there are none.

    Args:
        component: whose pods they are.
        pods: all of its pods.
        total: how many there should be; those that have not even been asked for, since one waits already, count too.
        accelerator: the extended resource or device class that a pod asks for, if any.
    """
    stuck = [pod for pod in pods if pod.unschedulable and not pod.terminating]
    if not stuck:
        return None
    with_a_place = sum(pod.scheduled for pod in pods if not pod.terminating)
    who = pods_of(max(len(stuck), total - with_a_place), max(total, len(stuck)), component)
    verb = "waits" if who.startswith("the ") else "wait"
    message = stuck[0].unschedulable or ""
    found = _FIT.search(message)
    if not found:
        return Verdict("False", "Unschedulable", f"{who} {verb} for a node: {message}")
    causes = {cause["what"].strip().rstrip("."): int(cause["count"]) for cause in _CAUSE.finditer(found["causes"])}
    share = f"{found['fit']}/{found['nodes']} nodes"
    if accelerator and any(_lacks(cause, accelerator) for cause in causes):
        others = [cause for cause in causes if not _lacks(cause, accelerator)]
        more = f" ({_listed(causes, others)})" if others else ""
        return Verdict("False", "GpuUnavailable", f"{who} {verb} for {accelerator}: {share} have one free{more}")
    hints = [hint for part, hint in HINTS if any(part in cause for cause in causes)]
    short = sorted({match[1] for cause in causes if (match := _SHORT.search(cause))})
    if short:
        hints.append(f"add nodes, or ask for less {' and '.join(short)}")
    advice = f"; {'; '.join(hints)}" if hints else ""
    return Verdict(
        "False", "Unschedulable", f"{who} {verb} for a node: {share} fit: {_listed(causes, list(causes))}{advice}"
    )


def _lacks(cause: str, accelerator: str) -> bool:
    return f"Insufficient {accelerator}" in cause or "cannot allocate all claims" in cause


def _listed(counts: dict[str, int], causes: Sequence[str]) -> str:
    return ", ".join(f"{counts[cause]} {cause}" for cause in causes)
