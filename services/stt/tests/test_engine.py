"""The engine on real speech with Whisper base, and on what is no speech at all."""

import sys
from pathlib import Path

import jiwer
import numpy as np
import pytest
from clips import Clip
from whisper_normalizer.english import EnglishTextNormalizer

from speechpipe_stt.batched.engine import BatchedEngine
from speechpipe_stt.engine import Audio, EngineError, Transcription, Utterance
from speechpipe_stt.whisper import FasterWhisperEngine

RATE = 16_000


def heard(outcome: Transcription | EngineError) -> Transcription:
    """The transcription, or the engine's error raised."""
    if isinstance(outcome, EngineError):
        raise outcome
    return outcome


@pytest.fixture(scope="module")
def english(engine: BatchedEngine, spoken: list[Clip], human: list[Clip]) -> list[tuple[Clip, Transcription]]:
    """Each English clip with what the engine hears as a final."""
    clips = [clip for clip in (*human, *spoken) if clip.language == "en"]
    outcomes = engine.transcribe([Utterance(clip.audio, language="en") for clip in clips])
    return [(clip, heard(outcome)) for clip, outcome in zip(clips, outcomes, strict=True)]


def test_english_texts_are_right(english: list[tuple[Clip, Transcription]], capsys: pytest.CaptureFixture[str]) -> None:
    """The word error rate over nine English clips is at most 5 %, and none loses its first or last word."""
    normalize = EnglishTextNormalizer()
    # The clip that counts to ten may come as words or digits, which the normaliser does not make equal.
    pairs = [(normalize(clip.text), normalize(got.text)) for clip, got in english if clip.name != "en/counting"]
    rate = jiwer.wer([want for want, _ in pairs], [got for _, got in pairs])
    with capsys.disabled():
        sys.stdout.write(f"\nWER of Whisper base over {len(pairs)} English clips: {rate:.4f}\n")
    assert rate <= 0.05, [pair for pair in pairs if pair[0] != pair[1]]
    assert all((want.split()[0], want.split()[-1]) == (got.split()[0], got.split()[-1]) for want, got in pairs)


def test_words_have_times_in_order(english: list[tuple[Clip, Transcription]]) -> None:
    """The words of a final make its text, and their times lie within the clip and never go back."""
    for clip, got in english:
        assert "".join(got.text.split()) == "".join(word.text for word in got.words)
        times = [time for word in got.words for time in (word.start, word.end)]
        assert times == sorted(times)
        assert times[0] >= 0
        assert times[-1] <= len(clip.audio) / RATE
        assert all(0 <= word.probability <= 1 for word in got.words)


@pytest.mark.timeout(900)
def test_language_is_detected(engine: BatchedEngine, spoken: list[Clip], capsys: pytest.CaptureFixture[str]) -> None:
    """Of 27 clips in nine languages at least 21 are heard in the right one, with a probability of their own."""
    drafts = [Utterance(clip.audio, beam_size=1, fallback=False, word_timestamps=False) for clip in spoken]
    outcomes = [heard(outcome) for outcome in engine.transcribe(drafts)]
    wrong = [
        (clip.name, got.language) for clip, got in zip(spoken, outcomes, strict=True) if got.language != clip.language
    ]
    with capsys.disabled():
        sys.stdout.write(f"\nlanguage right on {len(spoken) - len(wrong)} of {len(spoken)} clips, wrong: {wrong}\n")
    assert len(wrong) <= 6
    assert all(0 < got.language_probability <= 1 for got in outcomes)


def test_a_given_language_is_used(engine: BatchedEngine, spoken: list[Clip]) -> None:
    """A language that was given is not detected again, even where detection would be wrong."""
    clip = next(clip for clip in spoken if clip.name == "hi/namaste_duniya")
    got = heard(engine.transcribe([Utterance(clip.audio, language="hi", word_timestamps=False)])[0])
    assert (got.language, got.language_probability) == ("hi", 1.0)


def test_a_loop_is_broken(engine: BatchedEngine, spoken: list[Clip]) -> None:
    """A clip that base repeats without end at temperature 0 neither loops in a partial nor in a final."""
    clip = next(clip for clip in spoken if clip.name == "pt/contagem")
    draft = Utterance(clip.audio, language="pt", beam_size=1, fallback=False, word_timestamps=False)
    for outcome in engine.transcribe([draft, Utterance(clip.audio, language="pt")]):
        got = heard(outcome)
        assert got.text
        # On some processors it stutters ("oito, oito"); the loop says it some thirty times.
        assert got.text.lower().count("oito") <= 3


def test_a_bad_item_spoils_no_other(engine: BatchedEngine, human: list[Clip]) -> None:
    """Each bad utterance of a batch gets its own error, and the good ones between them their text."""
    good = Utterance(human[0].audio, language="en", beam_size=1)
    outcomes = engine.transcribe(
        [
            Utterance(np.full(RATE, np.nan, np.float32)),
            good,
            Utterance(human[0].audio, language="tlh"),
            Utterance(np.zeros((2, RATE), np.float32)),
            good,
        ]
    )
    codes = [outcome.code if isinstance(outcome, EngineError) else outcome.text for outcome in outcomes]
    text = heard(outcomes[1]).text
    assert "modern" in text
    assert codes == ["bad_audio", text, "unsupported_language", "bad_audio", text]


def test_an_english_model_refuses_other_languages(tiny_model: Path, human: list[Clip]) -> None:
    """A model that knows only English says so instead of writing Spanish speech as English."""
    outcome = BatchedEngine(FasterWhisperEngine(tiny_model)).transcribe([Utterance(human[0].audio, language="es")])[0]
    assert isinstance(outcome, EngineError)
    assert "'es'" in str(outcome)


def test_a_long_prompt_fits(engine: BatchedEngine, human: list[Clip]) -> None:
    """Prompt and hotwords far beyond the decoder's context are cut, and the speech is still heard."""
    utterance = Utterance(
        human[0].audio, language="en", prompt="modern printing. " * 200, hotwords="comparatively " * 200, beam_size=1
    )
    assert "modern" in heard(engine.transcribe([utterance])[0]).text


def noise(seconds: float, decibels: float, *, pink: bool = False) -> Audio:
    """White or pink noise with this RMS in dBFS."""
    samples = np.random.default_rng(7).standard_normal(int(seconds * RATE))
    if pink:
        spectrum = np.fft.rfft(samples)
        samples = np.fft.irfft(spectrum / np.sqrt(np.maximum(1, np.arange(len(spectrum)))), len(samples))
    return (samples / samples.std() * 10 ** (decibels / 20)).clip(-1, 1).astype(np.float32)


def wave(*partials: tuple[float, float], seconds: float = 8) -> Audio:
    """Sines given as (frequency in Hz, amplitude)."""
    time = np.arange(int(seconds * RATE)) / RATE
    return sum(a * np.sin(2 * np.pi * f * time) for f, a in partials).astype(np.float32)  # type: ignore[union-attr]


def clicks() -> Audio:
    """Two clicks a second."""
    audio = np.zeros(8 * RATE, np.float32)
    audio[:: RATE // 2] = 0.9
    return audio


NO_SPEECH = {
    "nothing": np.zeros(0, np.float32),
    "one second of zeros": np.zeros(RATE, np.float32),
    "eight seconds of zeros": np.zeros(8 * RATE, np.float32),
    "hum": wave((50, 0.1), (150, 0.05)),
    "tone": wave((440, 0.3)),
    "clicks": clicks(),
    "white noise at -60 dBFS": noise(5, -60),
    "white noise at -40 dBFS": noise(5, -40),
    "white noise at -20 dBFS": noise(5, -20),
    "white noise at -10 dBFS": noise(5, -10),
    "pink noise at -40 dBFS": noise(5, -40, pink=True),
    "pink noise at -20 dBFS": noise(5, -20, pink=True),
}


@pytest.mark.parametrize("name", NO_SPEECH)
def test_no_speech_gives_no_text(engine: BatchedEngine, name: str) -> None:
    """With the VAD filter, silence and noise give an empty final, in a given language or an unknown one."""
    for language in ("en", None):
        got = heard(engine.transcribe([Utterance(NO_SPEECH[name], language=language)])[0])
        assert (got.text, got.words) == ("", ())


@pytest.fixture(scope="module")
def unfiltered(base_model: Path) -> BatchedEngine:
    """Whisper base without the VAD filter."""
    return BatchedEngine(FasterWhisperEngine(base_model, vad_filter=False))


@pytest.mark.parametrize("name", NO_SPEECH)
def test_the_guards_hold_without_the_filter(unfiltered: BatchedEngine, name: str) -> None:
    """With the VAD filter off, where Whisper invents sentences, the other guards leave nothing of a partial."""
    draft = Utterance(NO_SPEECH[name], language="en", beam_size=1, fallback=False, word_timestamps=False)
    assert heard(unfiltered.transcribe([draft])[0]).text == ""


def test_the_guards_hold_for_finals_too(unfiltered: BatchedEngine) -> None:
    """Without the filter, decoding again at higher temperatures does not make a sentence out of silence."""
    finals = [
        Utterance(NO_SPEECH[name], language="en") for name in ("eight seconds of zeros", "pink noise at -40 dBFS")
    ]
    assert [heard(outcome).text for outcome in unfiltered.transcribe(finals)] == ["", ""]


def test_speech_after_silence_is_heard(engine: BatchedEngine, human: list[Clip]) -> None:
    """Words after 5 s of silence are heard, and their times count from the start of the silence."""
    clip = human[0]
    got = heard(engine.transcribe([Utterance(np.concatenate([np.zeros(5 * RATE, np.float32), clip.audio]), "en")])[0])
    assert "comparatively modern" in got.text.lower()
    assert got.words[0].start >= 4.5
