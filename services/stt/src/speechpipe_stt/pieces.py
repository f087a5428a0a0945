"""From what a decoder wrote to what is believed of it: guards applied, loops said once, times in order."""

from collections.abc import Sequence
from dataclasses import dataclass

from speechpipe_stt.engine import HeardWord
from speechpipe_stt.guards import REPETITIVE, Evidence, invented, without_loops


@dataclass(frozen=True, slots=True)
class Piece:
    """A decoded segment that the guards let through."""

    text: str
    words: tuple[HeardWord, ...]


def believed(text: str, words: tuple[HeardWord, ...], evidence: Evidence) -> Piece | None:
    """The piece without its loops; None when it was made up in the absence of speech."""
    if invented(evidence):
        return None
    if evidence.compression_ratio <= REPETITIVE:
        return Piece(text, words)
    if words:
        words = tuple(words[index] for index in without_loops([word.text for word in words]))
        return Piece("".join(word.text for word in words), words)
    spaced = " " in text.strip()
    tokens = text.split() if spaced else list(text)
    kept = [tokens[index] for index in without_loops(tokens)]
    return Piece((" " + " ".join(kept)) if spaced else "".join(kept), ())


def in_order(words: Sequence[HeardWord], seconds: float) -> tuple[HeardWord, ...]:
    """Words with times inside ``[0, seconds]`` that never go back; the aligner may overlap neighbours a little."""
    ordered = []
    earliest = 0.0
    for word in words:
        start = min(max(word.start, earliest), seconds)
        end = min(max(word.end, start), seconds)
        ordered.append(HeardWord(word.text.strip(), start, end, word.probability))
        earliest = end
    return tuple(ordered)
