"""What to do with a batch of text jobs, and what to answer: decisions only."""

from collections.abc import Sequence

from speechpipe_common.messages import Failure, TextJob, Translated
from speechpipe_translate.engines.base import Outcome
from speechpipe_translate.errors import TranslationError


def group_by_direction(jobs: Sequence[TextJob]) -> dict[tuple[str, str], list[int]]:
    """Positions in ``jobs`` by ``(source, target)``: what one call of a model can translate together."""
    groups: dict[tuple[str, str], list[int]] = {}
    for position, job in enumerate(jobs):
        groups.setdefault((job.source, job.target), []).append(position)
    return groups


def is_wanted(job: TextJob, batch: Sequence[TextJob], now: float) -> bool:
    """Whether somebody still waits for this job: finals always; a partial until it expires or is overtaken.

    Args:
        job: one of ``batch``.
        batch: jobs that were read together; a newer revision of the same segment and language overtakes.
        now: unix seconds.
    """
    if job.final:
        return True
    if job.expires_at is not None and job.expires_at <= now:
        return False
    return not any(
        (other.client, other.segment, other.target) == (job.client, job.segment, job.target) and other.rev > job.rev
        for other in batch
    )


def answer(job: TextJob, outcome: Outcome, seconds: float) -> Translated | Failure:
    """The message for the job's client; ``seconds`` is what its batch took."""
    if isinstance(outcome, TranslationError):
        return Failure(
            segment=job.segment,
            rev=job.rev,
            code=outcome.code,
            message=str(outcome),
            retry=outcome.retry,
            language=job.target,
        )
    return Translated(
        segment=job.segment,
        rev=job.rev,
        final=job.final,
        text=outcome,
        source=job.source,
        language=job.target,
        processing_time=seconds,
    )
