"""What is translated next: decisions on values, no model, no clock of its own."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from speechpipe_common.messages import TextJob
from speechpipe_common.scheduling import PARTIALS_SECONDS, Pace, in_turn

_OVERHEAD_CHARACTERS: Final = 20
"""What a text counts for beyond its length: a call costs something however short its texts are."""

Direction = tuple[str, str]
"""Source and target, as the jobs name them: what one call can translate together."""

Stale = Literal["expired", "overtaken"]
"""Why nobody waits for a partial any more: it is too late, or there is a newer one, or the final."""


@dataclass(frozen=True, slots=True, eq=False)
class Waiting:
    """A job that waits for a model."""

    job: TextJob
    due: float
    """Monotonic seconds: when it came into this worker's hands."""

    @property
    def direction(self) -> Direction:
        """Which way it goes."""
        return self.job.source, self.job.target


def choose(waiting: Sequence[Waiting], busy: Collection[Direction], most: int, pace: Pace) -> list[Waiting]:
    """What to translate in the next call; empty when nothing waits that could begin.

    Finals before partials; within a kind every client's first before any client's second, the oldest first; with the
    first of them as many of its direction as fit. A call of partials is kept short by prediction.

    Args:
        waiting: jobs without a call.
        busy: directions that are being translated; their model takes one call at a time.
        most: texts of one call at most.
        pace: how long a character takes.
    """
    free = [each for each in waiting if each.direction not in busy]
    urgent = [each for each in free if each.job.final] or free
    ordered = in_turn(urgent, lambda each: each.job.client, lambda each: each.due)
    if not ordered:
        return []
    first, *rest = ordered
    chosen = [first]
    for each in rest:
        if len(chosen) == most:
            break
        if each.direction != first.direction:
            continue
        if not first.job.final and pace.predict(work([*chosen, each])) > PARTIALS_SECONDS:
            break
        chosen.append(each)
    return chosen


def work(waiting: Sequence[Waiting]) -> float:
    """How much a call for these is, in characters."""
    return float(sum(len(each.job.text) + _OVERHEAD_CHARACTERS for each in waiting))


def stale(job: TextJob, in_hand: Collection[TextJob], now: float) -> Stale | None:
    """Why a job need not be translated: finals always must.

    Args:
        job: one of ``in_hand``.
        in_hand: jobs of this worker that are not translated yet.
        now: unix seconds.
    """
    if job.final:
        return None
    if job.expires_at is not None and job.expires_at <= now:
        return "expired"
    overtaken = any(
        (other.client, other.segment, other.target) == (job.client, job.segment, job.target)
        and (other.final or other.rev > job.rev)
        for other in in_hand
    )
    return "overtaken" if overtaken else None
