"""A batch of which some texts break the model."""

from collections.abc import Sequence

import pytest

from speechpipe_translate.engines.batches import BROKEN, translate_apart
from speechpipe_translate.errors import EngineFailed


class Fragile:
    """Breaks over any batch with a bad text, or with too many."""

    def __init__(self, error: type[Exception] = RuntimeError, most: int = 100) -> None:
        self.sizes: list[int] = []
        self._error = error
        self._most = most

    def __call__(self, texts: Sequence[str]) -> list[str]:
        """Each text in capitals."""
        self.sizes.append(len(texts))
        if len(texts) > self._most or any(text.startswith("bad") for text in texts):
            raise self._error("out of something")
        return [text.upper() for text in texts]


def test_a_good_batch_is_one_call() -> None:
    """Where nothing breaks, all texts go through the model in a single call."""
    model = Fragile()
    assert translate_apart(model, ["one", "two", "three"], "M") == ["ONE", "TWO", "THREE"]
    assert model.sizes == [3]


@pytest.mark.parametrize("error", BROKEN)
@pytest.mark.parametrize("bad", [{0}, {15}, {7, 8}, {0, 5, 10}, set(range(16))])
def test_bad_texts_fail_alone(bad: set[int], error: type[Exception]) -> None:
    """Whichever texts of a batch break the model, exactly they fail, with the model's reason, and the order stays."""
    texts = [f"{'bad' if number in bad else 'good'} {number}" for number in range(16)]
    outcomes = translate_apart(Fragile(error), texts, "CTranslate2 en-es")
    for number, outcome in enumerate(outcomes):
        if number in bad:
            assert isinstance(outcome, EngineFailed)
            assert outcome.retry
            assert str(outcome) == f"CTranslate2 en-es failed: {error.__name__}: out of something"
        else:
            assert outcome == texts[number].upper()


def test_one_bad_text_costs_few_calls() -> None:
    """Of 16 texts one bad one costs 8 calls more, not 16."""
    model = Fragile()
    translate_apart(model, ["bad", *(str(number) for number in range(15))], "M")
    assert len(model.sizes) == 9


def test_a_batch_too_big_for_the_device_is_divided() -> None:
    """Where the device gives up over the size of a batch alone, every text comes out, in smaller calls."""
    model = Fragile(most=4)
    assert translate_apart(model, [str(number) for number in range(16)], "M") == [str(number) for number in range(16)]


def test_a_mistake_of_ours_is_not_taken_for_a_bad_text() -> None:
    """An error that no text causes is let out at once."""
    model = Fragile(error=TypeError)
    with pytest.raises(TypeError):
        translate_apart(model, ["good", "bad"], "M")
    assert model.sizes == [2]
