"""From jobs to utterances and from what was heard to messages, without Redis or a model."""

import msgspec
import numpy as np
import pytest

from speechpipe_common.messages import AudioJob, JobKind, MessageError, encode
from speechpipe_stt import jobs
from speechpipe_stt.engine import HeardWord, Transcription
from speechpipe_stt.settings import SttSettings

JOB = AudioJob(
    client="c", epoch=1, segment=32_000, rev=4, kind="final", turn=16_000, start=32_000, end=48_000, submitted_at=1.0
)
HEARD = Transcription("Hola", "es", 0.9, (HeardWord("Hola", 0.25, 0.5, 0.8),))


@pytest.mark.parametrize(
    "changes", [{"start": 8_000}, {"end": 32_000}, {"turn": -1, "start": -1}, {"end": 32_000 + 601 * 16_000}]
)
def test_an_impossible_range_is_no_job(changes: dict[str, int]) -> None:
    """A range that is empty, begins before its turn or the session, or is absurdly long is refused when read."""
    assert jobs.read_job(encode(JOB)) == JOB
    with pytest.raises(MessageError, match="samples"):
        jobs.read_job(encode(msgspec.structs.replace(JOB, **changes)))


@pytest.mark.parametrize(
    ("kind", "expires_at", "expected"), [("partial", 9.0, True), ("partial", 11.0, False), ("final", 9.0, False)]
)
def test_only_partials_expire(kind: JobKind, expires_at: float, expected: bool) -> None:
    """A partial is stale after its time; a final never is."""
    assert jobs.expired(msgspec.structs.replace(JOB, kind=kind, expires_at=expires_at), now=10.0) is expected


def test_effort_follows_the_kind() -> None:
    """What may become a final gets the beams, fallback and word times; a partial is decoded greedily."""
    settings = SttSettings(beam_size=3, normalize_audio=True)
    pcm = np.full(16_000, 1_000, "<i2").tobytes()
    for kind in ("final", "candidate"):
        full = jobs.utterance(msgspec.structs.replace(JOB, kind=kind), pcm, settings)
        assert (full.beam_size, full.fallback, full.word_timestamps) == (3, True, True)
        assert full.audio.max() == pytest.approx(10 ** (-0.95 / 20))
    draft = jobs.utterance(msgspec.structs.replace(JOB, kind="partial"), pcm, SttSettings())
    assert (draft.beam_size, draft.fallback, draft.word_timestamps) == (1, False, False)
    assert draft.audio.max() == pytest.approx(1_000 / 32_768)


@pytest.mark.parametrize(
    ("words", "language", "expected"), [(True, "en", True), (False, "en", False), (False, None, True)]
)
def test_words_are_timed_where_somebody_needs_them(words: bool, language: str | None, expected: bool) -> None:
    """Where the client wants none they are left out, unless the language is to be detected."""
    job = msgspec.structs.replace(JOB, kind="final", words=words, language=language)
    assert jobs.utterance(job, bytes(32_000), SttSettings()).word_timestamps is expected


def test_words_are_in_session_time() -> None:
    """A word's times count from the start of the session, not of the segment."""
    (word,) = jobs.transcript(JOB, HEARD, 0.1).words
    assert (word.start, word.end) == (2.25, 2.5)


def test_translations_start_with_text_only() -> None:
    """A final or candidate starts one job per target; a partial or an empty text starts none."""
    wanted = msgspec.structs.replace(JOB, targets=("en", "fr"))
    for kind in ("final", "candidate"):
        texts = jobs.translations(msgspec.structs.replace(wanted, kind=kind), HEARD, 5.0)
        assert [(text.target, text.source, text.text, text.final) for text in texts] == [
            ("en", "es", "Hola", True),
            ("fr", "es", "Hola", True),
        ]
    assert jobs.translations(wanted, Transcription("", "es", 1.0), 5.0) == []
    assert jobs.translations(msgspec.structs.replace(wanted, kind="partial"), HEARD, 5.0) == []
