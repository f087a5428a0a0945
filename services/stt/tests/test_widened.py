"""Models of large-v3's and turbo's shape: more mel bands, one language more, other numbers for all special tokens."""

from collections.abc import Sequence
from pathlib import Path

import jiwer
import pytest
from clips import Clip
from whisper_normalizer.basic import BasicTextNormalizer
from widened import BANDS, widened

from speechpipe_stt.batched.engine import BatchedEngine
from speechpipe_stt.engine import EngineError, Transcription, Utterance
from speechpipe_stt.whisper import FasterWhisperEngine

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def wide(base_model: Path, tmp_path_factory: pytest.TempPathFactory) -> FasterWhisperEngine:
    """Base in that shape."""
    return FasterWhisperEngine(widened(base_model, tmp_path_factory.mktemp("models") / "wide"), apart=True)


@pytest.fixture(scope="module")
def batched(wide: FasterWhisperEngine) -> BatchedEngine:
    """In batches, having heard short windows as a worker does before it is ready."""
    engine = BatchedEngine(wide)
    engine.warm_up()
    return engine


def heard(outcomes: Sequence[Transcription | EngineError]) -> list[Transcription]:
    """The transcriptions; there must be nothing else."""
    assert not [outcome for outcome in outcomes if isinstance(outcome, EngineError)]
    return [outcome for outcome in outcomes if isinstance(outcome, Transcription)]


@pytest.mark.parametrize("beam_size", [1, 5])
@pytest.mark.parametrize("engine", ["batched", "wide"])
def test_speech_is_heard_as_base_hears_it(
    request: pytest.FixtureRequest, reference: FasterWhisperEngine, human: list[Clip], engine: str, beam_size: int
) -> None:
    """Both engines find language, words and times, from bands and tokens that are not base's."""
    utterances = [Utterance(clip.audio, None, beam_size=beam_size) for clip in human]
    found = heard(request.getfixturevalue(engine).transcribe(utterances))
    known = heard(reference.transcribe(utterances))
    normalize = BasicTextNormalizer()
    assert {each.language for each in found} == {"en"}
    texts = [[normalize(each.text) for each in some] for some in (known, found)]
    assert jiwer.wer(*texts) <= 0.05
    for clip, each in zip(human, found, strict=True):
        times = [time for word in each.words for time in (word.start, word.end)]
        assert times
        assert times == sorted(times)
        assert times[-1] <= len(clip.audio) / 16_000


def test_the_shape_is_another(wide: FasterWhisperEngine, reference: FasterWhisperEngine) -> None:
    """Or the tests above would say nothing."""
    assert wide.model.feature_extractor.mel_filters.shape[0] == BANDS
    assert reference.model.feature_extractor.mel_filters.shape[0] != BANDS


def test_its_own_language_is_taken(batched: BatchedEngine, reference: FasterWhisperEngine, human: list[Clip]) -> None:
    """Cantonese is a language of this model alone."""
    utterance = Utterance(human[0].audio, "yue", beam_size=1)
    (found,) = heard(batched.transcribe([utterance]))
    assert found.language == "yue"
    (refused,) = reference.transcribe([utterance])
    assert isinstance(refused, EngineError)
    assert "'yue'" in str(refused)
