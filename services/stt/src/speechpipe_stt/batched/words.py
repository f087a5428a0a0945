"""Times of words, by aligning text to the output of the encoder that it was decoded from."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any, Final

import ctranslate2
from faster_whisper import WhisperModel
from faster_whisper.tokenizer import Tokenizer
from faster_whisper.transcribe import merge_punctuations

from speechpipe_stt.engine import HeardWord

_OPENING: Final = "\"'“¿([{-"
_CLOSING: Final = "\"'.。,，!！?？:：”)]}、"  # noqa: RUF001 - marks of Chinese and Japanese
"""Marks that belong to the next or the previous word."""

_LONGEST_TYPICAL: Final = 0.7
"""Seconds; the median word of slow speech is taken to be no longer."""


def align(
    model: WhisperModel,
    tokenizer: Tokenizer,
    encoded: ctranslate2.StorageView,
    tokens: Sequence[Sequence[int]],
    frames: Sequence[int],
) -> list[tuple[HeardWord, ...]]:
    """The words of each row, in seconds from the row's start.

    Args:
        model: The model that encoded the rows.
        tokenizer: Its tokenizer, with the language that all rows are in.
        encoded: The encoder's output.
        tokens: Text tokens of each row.
        frames: Mel frames of each row that hold audio.
    """
    aligned = model.find_alignment(tokenizer, [list(row) for row in tokens], encoded, list(frames))
    return [_words(row) for row in aligned]


def _words(found: list[dict[str, Any]]) -> tuple[HeardWord, ...]:
    merge_punctuations(found, _OPENING, _CLOSING)
    words = [_word(each) for each in found if each["word"]]
    return _shortened(words)


def _word(found: Mapping[str, Any]) -> HeardWord:
    return HeardWord(
        found["word"], round(float(found["start"]), 2), round(float(found["end"]), 2), float(found["probability"])
    )


def _shortened(words: list[HeardWord]) -> tuple[HeardWord, ...]:
    """The first word without the silence before it, which the aligner counts in: at most twice as long as most."""
    lengths = [word.end - word.start for word in words if word.end > word.start]
    if not lengths:
        return tuple(words)
    typical = min(_LONGEST_TYPICAL, median(lengths))
    first = words[0]
    if first.end > 4 * typical and first.end - first.start > 2 * typical:
        words[0] = HeardWord(first.text, first.end - 2 * typical, first.end, first.probability)
    return tuple(words)
