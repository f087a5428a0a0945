"""What a worker decodes next: decisions on values, no model, no clock of its own."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from speechpipe_common.messages import AudioJob
from speechpipe_stt.engine import Task

PARTIALS_SECONDS: Final = 0.15
"""What a call for partials may take by prediction, so that a final that comes meanwhile does not wait behind it."""

RETRY_SECONDS: Final = 0.5
"""What a task that needs another attempt stands back behind those that wait for their first."""

_OVERHEAD_SECONDS: Final = 1.0
"""Audio that an utterance counts for beyond its window: its text is written token by token, whatever the window."""

_MEMORY: Final = 0.8
"""Weight of what was known of the model's speed against the latest call."""


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


class Pace:
    """How long calls take, learned from the last ones.

    Args:
        prior: Seconds that the model takes for a second of audio, before anything is known.
    """

    def __init__(self, prior: float = 0.05) -> None:
        self._rate = prior

    def predict(self, tasks: Sequence[Task]) -> float:
        """Seconds of a call for these tasks."""
        return self._rate * size(tasks)

    def learn(self, work: float, seconds: float) -> None:
        """A call took so long whose tasks had, before it, that ``size``."""
        self._rate = _MEMORY * self._rate + (1 - _MEMORY) * seconds / work


def size(tasks: Sequence[Task]) -> float:
    """What a call for these tasks has to do; to be asked before it, as a task changes with each attempt."""
    return sum(task.seconds + _OVERHEAD_SECONDS for task in tasks)


def choose(waiting: Sequence[Waiting], most: int, pace: Pace) -> list[Waiting]:
    """What to decode in the next call; empty when nothing waits.

    Finals and candidates before partials; within a kind every client's first before any client's second, the oldest
    first; with the first of them as many of its group as fit.
    """
    urgent = [each for each in waiting if not each.partial] or list(waiting)
    ordered = _fair(urgent)
    if not ordered:
        return []
    first, *rest = ordered
    chosen = [first]
    for each in rest:
        if len(chosen) == most:
            break
        if each.task.group != first.task.group:
            continue
        if first.partial and pace.predict([one.task for one in (*chosen, each)]) > PARTIALS_SECONDS:
            break
        chosen.append(each)
    return chosen


def _fair(waiting: Sequence[Waiting]) -> list[Waiting]:
    turns: Counter[str] = Counter()
    ranked: list[tuple[int, float, Waiting]] = []
    for each in sorted(waiting, key=lambda one: one.due):
        ranked.append((turns[each.job.client], each.due, each))
        turns[each.job.client] += 1
    return [each for _, _, each in sorted(ranked, key=lambda one: one[:2])]


def overtaken(each: Waiting, waiting: Sequence[Waiting]) -> bool:
    """Whether a newer job for the same segment waits too, which makes this partial stale."""
    job = each.job
    return each.partial and any(
        (other.job.client, other.job.segment) == (job.client, job.segment) and other.job.rev > job.rev
        for other in waiting
    )
