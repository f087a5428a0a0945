"""What a worker decodes next: decisions on values, no model, no clock of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from speechpipe_common.messages import AudioJob
from speechpipe_common.scheduling import PARTIALS_SECONDS, Pace, in_turn
from speechpipe_stt.engine import Task

RETRY_SECONDS: Final = 0.5
"""What a task that needs another attempt stands back behind those that wait for their first."""

_OVERHEAD_SECONDS: Final = 1.0
"""Audio that an utterance counts for beyond its window: its text is written token by token, whatever the window."""

PRIOR_SECONDS: Final = 0.05
"""Taken for a second of audio, before the first call."""


@dataclass(frozen=True, slots=True, eq=False)
class Waiting:
    """A task that waits for the model."""

    job: AudioJob
    task: Task
    due: float
    """Monotonic seconds: when it came, or for another attempt the time until which it stands back."""

    @property
    def partial(self) -> bool:
        """Nobody will miss it if a final comes first."""
        return self.job.kind == "partial"


def size(tasks: Sequence[Task]) -> float:
    """What a call for these tasks has to do; to be asked before it, as a task changes with each attempt."""
    return sum(task.seconds + _OVERHEAD_SECONDS for task in tasks)


def choose(waiting: Sequence[Waiting], most: int, pace: Pace) -> list[Waiting]:
    """What to decode in the next call; empty when nothing waits.

    Finals and candidates before partials; within a kind every client's first before any client's second, the oldest
    first; with the first of them as many of its group as fit.
    """
    urgent = [each for each in waiting if not each.partial] or list(waiting)
    ordered = in_turn(urgent, lambda each: each.job.client, lambda each: each.due)
    if not ordered:
        return []
    first, *rest = ordered
    chosen = [first]
    for each in rest:
        if len(chosen) == most:
            break
        if each.task.group != first.task.group:
            continue
        if first.partial and pace.predict(size([one.task for one in (*chosen, each)])) > PARTIALS_SECONDS:
            break
        chosen.append(each)
    return chosen


def overtaken(each: Waiting, waiting: Sequence[Waiting]) -> bool:
    """Whether a newer job for the same segment waits too, which makes this partial stale."""
    job = each.job
    return each.partial and any(
        (other.job.client, other.job.segment) == (job.client, job.segment) and other.job.rev > job.rev
        for other in waiting
    )
