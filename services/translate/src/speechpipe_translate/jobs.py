"""What to answer to a text job."""

from speechpipe_common.messages import Failure, TextJob, Translated
from speechpipe_translate.engines.base import Outcome
from speechpipe_translate.errors import TranslationError


def answer(job: TextJob, outcome: Outcome, seconds: float) -> Translated | Failure:
    """The message for the job's client; ``seconds`` is what its call took."""
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
