"""Answers to text jobs."""

from speechpipe_common.messages import Failure, TextJob, Translated
from speechpipe_translate.errors import UnsupportedPair
from speechpipe_translate.jobs import answer

PARTIAL = TextJob(
    client="c",
    segment=160,
    rev=3,
    final=False,
    text="hello",
    source="en",
    target="es",
    submitted_at=100,
    expires_at=105,
)


def test_an_outcome_becomes_the_message_for_its_client() -> None:
    """A translation carries the job's own names; an error becomes a Failure in the target language."""
    assert answer(PARTIAL, "hola", 0.5) == Translated(
        segment=160, rev=3, final=False, text="hola", source="en", language="es", processing_time=0.5
    )
    refusal = answer(PARTIAL, UnsupportedPair("en", "es", [], ("en",)), 0.5)
    assert isinstance(refusal, Failure)
    assert (refusal.segment, refusal.rev, refusal.language, refusal.retry) == (160, 3, "es", False)
    assert refusal.code == "unsupported_pair"
