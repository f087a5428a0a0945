"""Decisions about batches of text jobs."""

import msgspec

from speechpipe_common.messages import Failure, TextJob, Translated
from speechpipe_translate.errors import UnsupportedPair
from speechpipe_translate.jobs import answer, group_by_direction, is_wanted

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


def changed(**changes: object) -> TextJob:
    """The partial above with other fields."""
    return msgspec.structs.replace(PARTIAL, **changes)


def test_jobs_of_one_direction_go_together() -> None:
    """A batch is divided by source and target language, keeping the order within each."""
    jobs = [changed(target="es"), changed(target="fr"), changed(target="es", segment=1), changed(source="de")]
    assert group_by_direction(jobs) == {("en", "es"): [0, 2], ("en", "fr"): [1], ("de", "es"): [3]}


def test_a_partial_is_wanted_until_it_expires() -> None:
    """A partial is dropped from its expiry on; without an expiry it is translated."""
    assert is_wanted(PARTIAL, [PARTIAL], now=104.9)
    assert not is_wanted(PARTIAL, [PARTIAL], now=105)
    assert is_wanted(changed(expires_at=None), [], now=1e9)


def test_a_newer_partial_overtakes() -> None:
    """Of one segment's partials into one language only the newest in the batch is wanted; others stay out of it."""
    assert not is_wanted(PARTIAL, [PARTIAL, changed(rev=4)], now=100)
    for other in (changed(rev=4, segment=9), changed(rev=4, target="fr"), changed(rev=4, client="d"), changed(rev=2)):
        assert is_wanted(PARTIAL, [PARTIAL, other], now=100)


def test_a_final_is_always_wanted() -> None:
    """No expiry and no newer revision makes a final unwanted."""
    final = changed(final=True)
    assert is_wanted(final, [final, changed(rev=9)], now=1e9)


def test_an_outcome_becomes_the_message_for_its_client() -> None:
    """A translation carries the job's own names; an error becomes a Failure in the target language."""
    assert answer(PARTIAL, "hola", 0.5) == Translated(
        segment=160, rev=3, final=False, text="hola", source="en", language="es", processing_time=0.5
    )
    refusal = answer(PARTIAL, UnsupportedPair("en", "es", [], ("en",)), 0.5)
    assert isinstance(refusal, Failure)
    assert (refusal.segment, refusal.rev, refusal.language, refusal.retry) == (160, 3, "es", False)
    assert refusal.code == "unsupported_pair"
