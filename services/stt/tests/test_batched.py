"""The batched engine beside the reference engine, on real speech, cut words and noise."""

from collections.abc import Hashable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path

import jiwer
import numpy as np
import pytest
from clips import Clip
from whisper_normalizer.basic import BasicTextNormalizer

from speechpipe_stt.batched.engine import LONGEST_SECONDS, BatchedEngine
from speechpipe_stt.batched.tasks import BatchedTask
from speechpipe_stt.engine import Audio, EngineError, Transcription, Utterance
from speechpipe_stt.guards import impossible, without_loops
from speechpipe_stt.whisper import FasterWhisperEngine

pytestmark = pytest.mark.timeout(900)

RATE = 16_000


def heard(outcomes: Sequence[Transcription | EngineError]) -> list[Transcription]:
    """The transcriptions, or an engine's error raised."""
    found = []
    for outcome in outcomes:
        if isinstance(outcome, EngineError):
            raise outcome
        found.append(outcome)
    return found


def greedy(clip: Clip, language: str | None = "") -> Utterance:
    """A clip in its language (or the given one), decoded without beams."""
    return Utterance(clip.audio, clip.language if language == "" else language, beam_size=1)


def draft(audio: Audio, language: str) -> Utterance:
    """Audio as a partial."""
    return Utterance(audio, language, beam_size=1, fallback=False, word_timestamps=False)


def distance(wanted: Sequence[str], got: Sequence[str]) -> float:
    """Character error rate over all texts."""
    normalize = BasicTextNormalizer()
    return float(jiwer.cer([normalize(text) for text in wanted], [normalize(text) for text in got]))


@pytest.fixture(scope="module")
def english(spoken: list[Clip], human: list[Clip]) -> list[Clip]:
    """Clips that a model hears without doubt."""
    return [clip for clip in (*human, *spoken) if clip.language == "en" and "counting" not in clip.name]


@pytest.fixture(scope="module")
def both(
    engine: BatchedEngine, reference: FasterWhisperEngine, english: list[Clip]
) -> list[tuple[Transcription, Transcription]]:
    """What the reference engine and the batched one hear of each English clip."""
    utterances = [greedy(clip) for clip in english]
    return list(zip(heard(reference.transcribe(utterances)), heard(engine.transcribe(utterances)), strict=True))


def test_the_text_is_that_of_the_reference(both: list[tuple[Transcription, Transcription]]) -> None:
    """In short windows and in batches, speech becomes the text that faster-whisper makes of it in 30 s windows."""
    assert distance([one.text for one, _ in both], [other.text for _, other in both]) <= 0.05


def test_word_times_are_those_of_the_reference(both: list[tuple[Transcription, Transcription]]) -> None:
    """Words that both engines hear begin and end at the same time: within 20 ms mostly, within 80 ms nearly always."""
    distances = [
        abs(time - other_time)
        for one, other in both
        if [word.text.lower().strip(".,") for word in one.words] == [w.text.lower().strip(".,") for w in other.words]
        for word, other_word in zip(one.words, other.words, strict=True)
        for time, other_time in ((word.start, other_word.start), (word.end, other_word.end))
    ]
    assert len(distances) >= 60
    assert np.median(distances) <= 0.02
    assert np.percentile(distances, 95) <= 0.08


def test_mates_make_no_difference(engine: BatchedEngine, english: list[Clip], spoken: list[Clip]) -> None:
    """A clip's text is the same alone and among others of all languages, noise and silence."""
    noise = np.random.default_rng(3).normal(0, 0.1, 3 * RATE).astype(np.float32)
    others = [Utterance(noise, "en", beam_size=1), Utterance(np.zeros(RATE, np.float32), None)]
    alone = [heard(engine.transcribe([greedy(clip)]))[0].text for clip in english]
    mixed = [*others, *(greedy(clip) for clip in english), *(greedy(clip, None) for clip in spoken)]
    together = heard(engine.transcribe(mixed))[len(others) :][: len(english)]
    assert distance(alone, [got.text for got in together]) <= 0.02


def test_what_fails_comes_again_and_holds_up_nobody(engine: BatchedEngine, spoken: list[Clip]) -> None:
    """An utterance that needs another attempt comes back as a task, and its mates of the same call have text."""
    tasks = [task for task in engine.prepare([greedy(clip) for clip in spoken]) if hasattr(task, "group")]
    again = 0
    for group in {task.group for task in tasks}:
        called = [task for task in tasks if task.group == group]
        outcomes = engine.step(called)
        returned = [outcome for outcome in outcomes if not isinstance(outcome, Transcription | EngineError)]
        assert all(task.group != group for task in returned)
        again += len(returned)
    # Base is at a loss with some of the Polish and Hindi; with most of the rest it is not.
    assert 1 <= again <= len(spoken) // 2


def test_utterances_are_prepared_side_by_side(engine: BatchedEngine, spoken: list[Clip]) -> None:
    """Threads that find speech, features and prompts at the same time find what one finds after the other."""
    utterances = [
        Utterance(clip.audio, clip.language, prompt=f"{clip.text} {number}", hotwords=clip.name)
        for number, clip in enumerate(spoken * 3)
    ]

    def tasks(prepared: Iterable[object]) -> list[tuple[Hashable, bytes]]:
        found = [each for each in prepared if isinstance(each, BatchedTask)]
        assert len(found) == len(utterances)
        return [(each.context, each.mel.tobytes()) for each in found]

    with ThreadPoolExecutor(4) as threads:
        together = tasks(chain.from_iterable(threads.map(engine.prepare, [[each] for each in utterances])))
    assert together == tasks(engine.prepare(utterances))


@pytest.mark.parametrize("beam_size", [1, 5])
def test_without_rules_no_final_is_empty(base_model: Path, english: list[Clip], beam_size: int) -> None:
    """On a GPU short and faint speech, which the first window says over and over, is heard all the same."""
    free = BatchedEngine(FasterWhisperEngine(base_model, apart=True), rules=False)
    before, behind = np.zeros(RATE - 200, np.float32), np.zeros(RATE * 35 // 100, np.float32)
    segments = [np.concatenate([before, clip.audio, behind]) for clip in english]
    found = heard(free.transcribe([Utterance(audio, None, beam_size=beam_size) for audio in segments]))
    assert distance([clip.text for clip in english], [got.text for got in found]) <= 0.05
    assert all(got.text for got in found), [clip.text for clip, got in zip(english, found, strict=True) if not got.text]


def test_cut_words_and_noise_do_not_run_away(engine: BatchedEngine, spoken: list[Clip], human: list[Clip]) -> None:
    """Partials of speech cut anywhere, noisy or faint, never say a phrase over and over, nor go on without an end."""
    noise = np.random.default_rng(5).normal(0, 0.02, 12 * RATE).astype(np.float32)
    cut = [(clip, clip.audio[: int(len(clip.audio) * share)]) for clip in (*human, *spoken) for share in (0.35, 0.8)]
    loud = [(clip, audio + noise[: len(audio)]) for clip, audio in cut[::3]]
    faint = [(clip, audio * np.float32(0.02)) for clip, audio in cut[1::3]]
    drafts = [draft(audio, clip.language) for clip, audio in chain(cut, loud, faint)]
    for got, wanted in zip(heard(engine.transcribe(drafts)), drafts, strict=True):
        tokens = got.text.split() if " " in got.text else list(got.text)
        assert len(without_loops(tokens)) == len(tokens), got.text
        assert not impossible(got.text, wanted.seconds), got.text


def test_what_was_said_twice_stays_said_twice(engine: BatchedEngine, human: list[Clip]) -> None:
    """A sentence that is spoken twice in a row is written twice, though a decoder's own repeating looks the same."""
    clip = next(clip for clip in human if clip.name == "austen-0880.wav")
    audio = np.concatenate([clip.audio, np.zeros(RATE // 2, np.float32), clip.audio])
    (got,) = heard(engine.transcribe([Utterance(audio, "en", beam_size=1)]))
    assert got.text.lower().count("young man") == 2


def test_prompts_of_any_length_share_a_batch(engine: BatchedEngine, english: list[Clip]) -> None:
    """Utterances with prompts and hotwords of different lengths, or none, are all heard."""
    clip = english[0]
    told = [
        Utterance(clip.audio, "en", prompt=prompt, hotwords=hotwords, beam_size=2)
        for prompt, hotwords in (("", ""), ("Of printing.", ""), ("Of the art of printing books.", "modern"))
    ]
    assert all("modern" in got.text for got in heard(engine.transcribe(told)))


def test_speech_beyond_a_window_is_left_to_the_reference(engine: BatchedEngine, human: list[Clip]) -> None:
    """More speech than a window holds is heard to its end."""
    audio = np.concatenate([clip.audio for clip in human] * 2)
    assert len(audio) > LONGEST_SECONDS * RATE
    (got,) = heard(engine.transcribe([Utterance(audio, "en", beam_size=1)]))
    assert got.text.lower().count("comparatively modern") == 2
    assert got.words[-1].end > LONGEST_SECONDS


def test_words_after_silence_keep_their_place(engine: BatchedEngine, english: list[Clip]) -> None:
    """Where the VAD filter takes silence out of the middle, the words behind it still have their own times."""
    first, second = english[0].audio, english[3].audio
    audio = np.concatenate([first, np.zeros(4 * RATE, np.float32), second])
    (got,) = heard(engine.transcribe([Utterance(audio, "en", beam_size=1)]))
    assert got.words[-1].start > (len(first) / RATE) + 4
    assert got.words[-1].end <= len(audio) / RATE
