"""EasyNMT and CTranslate2 over one trained model."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from speechpipe_translate.engines.base import Model
from speechpipe_translate.engines.opening import open_engine
from speechpipe_translate.errors import EngineFailed, EngineUnavailable
from speechpipe_translate.pool import ModelPool
from speechpipe_translate.routes import Pair
from speechpipe_translate.settings import TranslateSettings
from speechpipe_translate.translator import Translator

EN_DE = Pair("en", "de")
UNSEEN = ["the cat the dog sings", "water", "book a reads child my", "xylophone!", "hier " * 40]


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("an engine tried to reach the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture(params=["easynmt", "ctranslate2"])
def settings(request: pytest.FixtureRequest, original: Path, converted: Path) -> TranslateSettings:
    """Settings of a worker with the one or the other engine."""
    folder = original if request.param == "easynmt" else converted
    return TranslateSettings(translation_engine=request.param, model_dir=folder, device="cpu", max_decoding_length=32)


@pytest.fixture
def model(settings: TranslateSettings) -> Iterator[Model]:
    """English to German, loaded."""
    loaded = open_engine(settings).load(EN_DE)
    yield loaded
    loaded.close()


def test_the_pair_is_found_by_its_folder(settings: TranslateSettings) -> None:
    """A folder named opus-mt-en-de is offered as English to German."""
    assert set(open_engine(settings).pairs) == {EN_DE}


def test_expected_sentences(model: Model, pairs: dict[str, str]) -> None:
    """Each engine translates what the model was trained on, the whole batch in order, to the letter."""
    assert model.translate(list(pairs)) == list(pairs.values())


def test_both_engines_agree(original: Path, converted: Path, pairs: dict[str, str]) -> None:
    """EasyNMT and CTranslate2 give the same text, even for sentences that the model has never seen."""
    texts = [*pairs, *UNSEEN]
    answers = []
    for engine, folder in (("easynmt", original), ("ctranslate2", converted)):
        settings = TranslateSettings(
            translation_engine=engine, model_dir=folder, device="cpu", beam_size=1, max_decoding_length=32
        )
        answers.append(open_engine(settings).load(EN_DE).translate(texts))
    assert answers[0] == answers[1]


def test_a_text_that_breaks_a_model_leaves_its_batch_alone(settings: TranslateSettings, pairs: dict[str, str]) -> None:
    """A text beyond the positions that the network has fails by itself; the batch around it is translated."""
    long = settings.model_copy(update={"max_decoding_length": 256})
    known = list(pairs)
    outcomes = open_engine(long).load(EN_DE).translate([*known[:5], "the dog sees the house " * 40, *known[5:9]])
    assert isinstance(outcomes.pop(5), EngineFailed)
    assert outcomes == list(pairs.values())[:9]


@pytest.mark.parametrize("compute_type", ["auto", "int8", "float32", "default"])
def test_number_formats(converted: Path, pairs: dict[str, str], compute_type: str) -> None:
    """The trained sentences come out to the letter in whatever the CPU is told to compute."""
    settings = TranslateSettings(
        translation_engine="ctranslate2", model_dir=converted, device="cpu", compute_type=compute_type
    )
    assert open_engine(settings).load(EN_DE).translate(list(pairs)) == list(pairs.values())


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_share_a_call(converted: Path, pairs: dict[str, str], threads: int) -> None:
    """However many threads there are for the texts of a call, they come back in order, to the letter."""
    settings = TranslateSettings(
        translation_engine="ctranslate2", model_dir=converted, device="cpu", cpu_threads=threads, max_batch_size=5
    )
    assert open_engine(settings).load(EN_DE).translate(list(pairs)) == list(pairs.values())


def test_decoding_is_bounded(settings: TranslateSettings) -> None:
    """However long the input, a translation has no more tokens than allowed."""
    short = settings.model_copy(update={"max_decoding_length": 8})
    [text] = open_engine(short).load(EN_DE).translate(["the dog sees the house " * 10])
    assert isinstance(text, str)
    assert len(text) < 100


def test_a_worker_translates_through_the_pool(settings: TranslateSettings) -> None:
    """Seen from the translator, silence passes by the model and other pairs are refused, as with any engine."""
    engine = open_engine(settings)
    pool = ModelPool(engine, max_pairs=1, memory_limit=1 << 40)
    translator = Translator(engine, pool, ("en",))
    assert translator.translate("english", "de-AT", ["-", "the dog\nsleeps", ""]) == ["-", "der Hund schläft", ""]
    [refusal] = translator.translate("de", "en", ["der Hund"])
    assert "cannot translate de to en" in str(refusal)
    pool.close()


def test_a_broken_model_is_an_error_of_its_load(settings: TranslateSettings, tmp_path: Path) -> None:
    """A model folder with damaged files is offered but fails to load, with its path in the message."""
    folder = tmp_path / "opus-mt-en-de"
    folder.mkdir()
    for name in ("config.json", "vocab.json", "source.spm", "target.spm", "model.bin", "pytorch_model.bin"):
        (folder / name).write_bytes(b"{}")
    engine = open_engine(settings.model_copy(update={"model_dir": tmp_path}))
    with pytest.raises(EngineFailed, match=str(folder)):
        engine.load(EN_DE)


def test_no_model_is_told_at_start(
    settings: TranslateSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without any model the engine refuses to open offline, naming the setting and the files that it looks for."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(EngineUnavailable, match=r"MODEL_DIR=.*opus-mt-en-es.*source\.spm.*HF_HUB_OFFLINE is set"):
        open_engine(settings.model_copy(update={"model_dir": tmp_path}))
