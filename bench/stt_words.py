"""Whether two decodings of the same speech put the same words at the same times."""

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

import numpy as np

from speechpipe_stt.engine import HeardWord, Transcription


def compare_words(theirs: Sequence[Transcription], ours: Sequence[Transcription]) -> tuple[float, float, int]:
    """Median and 95th percentile of the distances (ms) of starts and ends of words that both heard; how many words."""
    distances = [
        distance for one, other in zip(theirs, ours, strict=True) for distance in _distances(one.words, other.words)
    ]
    if not distances:
        return float("inf"), float("inf"), 0
    return float(np.median(distances)), float(np.percentile(distances, 95)), len(distances) // 2


def _distances(theirs: Sequence[HeardWord], ours: Sequence[HeardWord]) -> Iterator[float]:
    blocks = SequenceMatcher(None, [_plain(word) for word in theirs], [_plain(word) for word in ours], autojunk=False)
    for block in blocks.get_matching_blocks():
        for offset in range(block.size):
            one, other = theirs[block.a + offset], ours[block.b + offset]
            yield 1000 * abs(one.start - other.start)
            yield 1000 * abs(one.end - other.end)


def _plain(word: HeardWord) -> str:
    return "".join(letter for letter in word.text.casefold() if letter.isalnum())
