"""Routes walked over models, with models that only mark what passed through them."""

from collections.abc import Collection, Iterator, Sequence

import pytest

from speechpipe_translate.engines.base import Outcome
from speechpipe_translate.errors import EngineFailed, HubUnreachable, UnknownLanguageCode, UnsupportedPair
from speechpipe_translate.memory import Memory
from speechpipe_translate.pool import ModelPool
from speechpipe_translate.routes import Pair
from speechpipe_translate.translator import Translator, clean


class Marking:
    """An engine that appends the pair to each text, and fails on the text ``bad``."""

    pairs: Collection[Pair] = frozenset({Pair("en", "es"), Pair("es", "fr"), Pair("es", "de")})
    advice = "install more"

    def __init__(self) -> None:
        self.seen: list[list[str]] = []

    def load(self, pair: Pair) -> "MarkingModel":
        """Models into German are broken."""
        if pair.target == "de":
            raise EngineFailed("broken file")
        return MarkingModel(pair, self.seen)


class MarkingModel:
    """Remembers what it was given."""

    def __init__(self, pair: Pair, seen: list[list[str]]) -> None:
        self._pair = pair
        self._seen = seen

    def translate(self, texts: Sequence[str]) -> list[Outcome]:
        """Each text with the target's code behind it."""
        self._seen.append(list(texts))
        return [EngineFailed("bad text") if text.startswith("bad") else f"{text}>{self._pair.target}" for text in texts]

    def close(self) -> None:
        """Nothing is held."""


@pytest.fixture
def engine() -> Marking:
    """A fresh engine."""
    return Marking()


@pytest.fixture
def translator(engine: Marking) -> Translator:
    """A translator over that engine."""
    return Translator(engine, ModelPool(engine, max_pairs=4, memory_limit=1 << 40), ("en", "es"))


def test_a_batch_goes_through_the_models_as_one(translator: Translator, engine: Marking) -> None:
    """All texts of a direction are given to each model of the route in a single call."""
    assert translator.translate("en", "fr", ["one", "two"]) == ["one>es>fr", "two>es>fr"]
    assert engine.seen == [["one", "two"], ["one>es", "two>es"]]


def remembering(engine: Marking, counted: list[tuple[int, int]]) -> Translator:
    """A translator that remembers eight texts, and tells how many it knew."""
    pool = ModelPool(engine, max_pairs=4, memory_limit=1 << 40)
    return Translator(engine, pool, ("en", "es"), Memory(8), lambda known, unknown: counted.append((known, unknown)))


def test_no_text_is_translated_twice(engine: Marking) -> None:
    """A text that was translated before, or stands in the batch twice, reaches the model once; spaces do not matter."""
    counted: list[tuple[int, int]] = []
    translator = remembering(engine, counted)
    assert translator.translate("en", "es", ["one", "one"]) == ["one>es", "one>es"]
    assert translator.translate("en", "es", [" one\n", "two", "One"]) == ["one>es", "two>es", "One>es"]
    assert engine.seen == [["one"], ["two", "One"]]
    assert counted == [(0, 1), (1, 2)]


def test_a_pivot_is_reached_once(engine: Marking) -> None:
    """A text that goes into two languages by way of a third is translated into that one once."""
    translator = remembering(engine, [])
    assert translator.translate("en", "es", ["one"]) == ["one>es"]
    assert translator.translate("en", "fr", ["one"]) == ["one>es>fr"]
    assert engine.seen == [["one"], ["one>es"]]


def test_failures_are_not_remembered(engine: Marking) -> None:
    """A text that failed is tried again, and one whose model cannot be loaded too."""
    translator = remembering(engine, [])
    for _ in range(2):
        assert isinstance(translator.translate("en", "es", ["bad"])[0], EngineFailed)
        assert isinstance(translator.translate("en", "de", ["one"])[0], EngineFailed)
    assert engine.seen == [["bad"], ["one"], ["bad"]]


def test_regional_forms_and_names_are_understood(translator: Translator) -> None:
    """Languages may be given as regional tags or names."""
    assert translator.translate("en-US", "Spanish", ["one"]) == ["one>es"]


def test_the_same_language_passes_through(translator: Translator, engine: Marking) -> None:
    """A text in the wanted language comes back exactly as it was, and no model sees it."""
    assert translator.translate("ja", "ja", ["  as\nit is "]) == ["  as\nit is "]
    assert engine.seen == []


@pytest.mark.parametrize("text", ["", " ", "-", "…", "\n", "♪ ♪", "?!"])
def test_what_says_nothing_is_not_translated(translator: Translator, engine: Marking, text: str) -> None:
    """Text without a letter or digit comes back as it was: models make words up for it."""
    assert translator.translate("en", "es", [text]) == [text]
    assert engine.seen == []


def test_a_failed_text_leaves_the_others_alone(translator: Translator) -> None:
    """An error of one text in a batch is that text's only, and is not passed on to the next model."""
    outcomes = translator.translate("en", "fr", ["one", "bad", "two"])
    assert [outcomes[0], outcomes[2]] == ["one>es>fr", "two>es>fr"]
    assert isinstance(outcomes[1], EngineFailed)


def test_a_model_that_cannot_be_loaded_fails_its_batch(translator: Translator) -> None:
    """A broken model file makes an error for each text, and does not raise."""
    assert [str(outcome) for outcome in translator.translate("en", "de", ["one", "-"])] == ["broken file", "-"]


def test_unsupported_and_unknown_languages_are_final_errors(translator: Translator) -> None:
    """A pair without a route and a language that does not exist are refused without another try."""
    [unsupported] = translator.translate("en", "ja", ["one"])
    [unknown] = translator.translate("en", "klingon", ["one"])
    assert isinstance(unsupported, UnsupportedPair)
    assert isinstance(unknown, UnknownLanguageCode)
    assert not unsupported.retry
    assert not unknown.retry
    assert str(unsupported).endswith("installed pairs: en-es, es-de, es-fr; install more")


class BehindADeadHub(Collection[Pair]):
    """Pairs of which some are here, and of all others nobody knows."""

    def __init__(self, here: Collection[Pair]) -> None:
        self._here = here

    def __contains__(self, pair: object) -> bool:
        if pair in self._here:
            return True
        raise HubUnreachable("no answer")

    def __iter__(self) -> Iterator[Pair]:
        return iter(self._here)

    def __len__(self) -> int:
        return len(self._here)


def test_while_the_hub_is_away_a_detour_over_what_is_here_will_do(engine: Marking) -> None:
    """A direct model that cannot be asked for is replaced by a pivot on this machine; without one, later may help."""
    engine.pairs = BehindADeadHub(engine.pairs)
    translator = Translator(engine, ModelPool(engine, max_pairs=4, memory_limit=1 << 40), ("en", "es"))
    assert translator.translate("en", "fr", ["one"]) == ["one>es>fr"]
    [failure] = translator.translate("en", "ja", ["one"])
    assert isinstance(failure, HubUnreachable)
    assert failure.retry


def test_texts_reach_models_on_one_clean_line() -> None:
    """Control characters, the flush byte among them, and runs of spaces become single spaces."""
    assert clean(" a\0b\r\n\tc\x1b  d ") == "a b c d"
