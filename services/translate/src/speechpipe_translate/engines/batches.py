"""A batch of which one text breaks the model: the others are translated all the same."""

from collections.abc import Callable, Sequence
from typing import Final

from speechpipe_translate.engines.base import Outcome
from speechpipe_translate.errors import EngineFailed

BROKEN: Final = (RuntimeError, ValueError, IndexError)
"""What CTranslate2, SentencePiece, transformers and torch raise over a text, or when the device gives up (no memory
left, for one)."""


def translate_apart(translate: Callable[[Sequence[str]], list[str]], texts: Sequence[str], model: str) -> list[Outcome]:
    """Translate all texts in one call; where that fails, in two halves, and so on down to the texts that fail alone.

    A text that breaks a batch of n costs about 2 log2(n) calls more; a batch that is too big for the device becomes one
    that fits.

    Args:
        translate: the model: a translation for each text, in order, or one of ``BROKEN``.
        texts: at least one.
        model: its name, for what is said of a text that fails alone.
    """
    try:
        return list(translate(texts))
    except BROKEN as error:
        if len(texts) == 1:
            return [EngineFailed(f"{model} failed: {type(error).__name__}: {error}")]
    middle = len(texts) // 2
    return [
        *translate_apart(translate, texts[:middle], model),
        *translate_apart(translate, texts[middle:], model),
    ]
