"""Telling speech from what a Whisper model invents: pure decisions on the numbers that come with a decoded piece.

The thresholds were calibrated with ``base`` and ``tiny.en`` on 34 spoken clips (no-speech probability at most 0.29;
cut after 0.7 s or 30 dB quieter at most 0.53), and on silence, hum, tones, clicks, white and pink noise from -60 to
-10 dBFS (at least 0.59).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

NO_SPEECH: Final = 0.55
"""Above this probability of silence, a piece needs a good reason to be believed."""

DOUBTFUL: Final = 0.35
"""Above this probability of silence, text that is improbable too, or that only a last attempt brought, was not said:
clicks and chords have 0.35 to 0.55."""

LOW_LOG_PROBABILITY: Final = -0.5
"""Average log-probability of a token below which a piece that looks like silence is dropped."""

REPETITIVE: Final = 2.4
"""Compression ratio above which a piece says the same thing again and again (Radford et al. 2022, section 4.5)."""

LOOP_REPEATS: Final = 4
"""Times that a phrase follows itself before it counts as a loop."""

MOST_CHARACTERS_PER_SECOND: Final = 25
MOST_CHARACTERS: Final = 15
"""Fast readers come to 20 characters a second; the second number is for speech that is cut short."""

_LONGEST_PHRASE: Final = 12
_WORDS: Final = re.compile(r"[^\W_]+(?:'[^\W_]+)*")

_TWICE_WORDS: Final = 3
_TWICE_CHARACTERS: Final = 6
"""Length of a phrase that people seldom say twice in a row."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the decoder says about a piece of its own text."""

    no_speech_probability: float
    average_log_probability: float
    compression_ratio: float


def invented(evidence: Evidence) -> bool:
    """Whether the piece was made up in the absence of speech.

    Stricter than Whisper's own rule, which keeps `` You`` for 8 s of silence (no-speech 0.68, log-probability -0.77),
    and which believes a confident loop (no-speech 0.85, log-probability -0.22, compression 12.8).
    """
    return evidence.no_speech_probability > NO_SPEECH and (
        evidence.average_log_probability < LOW_LOG_PROBABILITY or evidence.compression_ratio > REPETITIVE
    )


def without_loops(tokens: Sequence[str]) -> list[int]:
    """Indices of the tokens that remain when each phrase that follows itself too often is said once.

    Args:
        tokens: Words, or characters of a script without spaces, compared without case and punctuation.
    """
    plain = [_plain(token) for token in tokens]
    kept: list[int] = []
    position = 0
    while position < len(plain):
        length, repeats = _loop_at(plain, position)
        kept.extend(range(position, position + length))
        position += length * repeats
    return kept


def impossible(text: str, seconds: float) -> bool:
    """Whether nobody can say so much in the time, so that the decoder must have gone on without them."""
    return len(text) > MOST_CHARACTERS + MOST_CHARACTERS_PER_SECOND * seconds


def loops(text: str) -> bool:
    """Whether the text says a phrase so often in a row that another attempt with the same text proves nothing."""
    tokens = text.split() if " " in text.strip() else list(text)
    return len(without_loops(tokens)) < len(tokens)


def repeats_itself(text: str) -> bool:
    """Whether the text says a phrase over and over, or a longer one twice: a reason to look again, not yet a fault.

    The compression ratio finds this only in long texts: three times the same fifteen words come to 2.0.
    """
    spaced = " " in text.strip()
    # Hyphens part words here: a decoder that runs away also spells ("an old-s-s-y-y-y-y-y").
    plain = _WORDS.findall(text.casefold()) if spaced else [_plain(token) for token in text]
    shortest = _TWICE_WORDS if spaced else _TWICE_CHARACTERS
    if len(without_loops(plain)) < len(plain):
        return True
    return any(
        plain[begin : begin + length] == plain[begin + length : begin + 2 * length]
        for length in range(shortest, len(plain) // 2 + 1)
        for begin in range(len(plain) - 2 * length + 1)
    )


def _loop_at(plain: Sequence[str], position: int) -> tuple[int, int]:
    """The phrase that loops from ``position`` on as (tokens, repeats); (1, 1) when none does."""
    for length in range(1, min(_LONGEST_PHRASE, (len(plain) - position) // LOOP_REPEATS) + 1):
        phrase = plain[position : position + length]
        repeats = 1
        while plain[position + repeats * length : position + (repeats + 1) * length] == phrase:
            repeats += 1
        if repeats >= LOOP_REPEATS:
            return length, repeats
    return 1, 1


def _plain(token: str) -> str:
    return "".join(character for character in token.casefold() if character.isalnum())
