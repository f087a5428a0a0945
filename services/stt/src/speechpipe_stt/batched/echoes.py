"""What a decoder writes of quiet behind the speech: mostly what it has written already. Decisions on tokens, no model.

In a short window it goes on now and then, says its sentence again, and by its own timestamps says it after the last
sound there was: ``<0.00> in being comparatively modern,<4.00><4.00> in being comparatively modern,<6.00>`` of 2.6 s.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Final

TIMESTAMP_SECONDS: Final = 0.02
"""From one timestamp token to the next."""


def without_echoes(
    tokens: Sequence[int], first_timestamp: int, seconds: float, text_of: Callable[[Sequence[int]], str]
) -> list[int]:
    """The tokens up to the first segment that begins behind the speech and only repeats what came before it.

    What begins there and says something new stays: a timestamp may be wrong, and words must not be lost for it.

    Args:
        tokens: text and timestamps, as written.
        first_timestamp: token for 0 s; those of text are smaller.
        seconds: length of the speech.
        text_of: decodes tokens of text.
    """
    said = ""
    for begin, end in _segments(tokens, first_timestamp):
        text = _plain(text_of([token for token in tokens[begin:end] if token < first_timestamp]))
        starts = (tokens[begin] - first_timestamp) * TIMESTAMP_SECONDS
        # One that was broken off, or is followed by the next sentence, is how it all began.
        if text and starts >= seconds and (said.endswith(text) or said.startswith(text)):
            return list(tokens[:begin])
        said += text
    return list(tokens)


def broken_off(tokens: Sequence[int], first_timestamp: int) -> float | None:
    """Where (seconds) a new segment was begun and not written: the last of two timestamps that end the tokens."""
    if len(tokens) < 2 or min(tokens[-2:]) < first_timestamp:
        return None
    return (tokens[-1] - first_timestamp) * TIMESTAMP_SECONDS


def _segments(tokens: Sequence[int], first_timestamp: int) -> Iterator[tuple[int, int]]:
    """Where each segment begins, with its timestamp, and where it ends; what has no timestamp before it is none."""
    times = [token >= first_timestamp for token in tokens]
    begins = [at for at, (is_time, is_next) in enumerate(pairwise(times)) if is_time and not is_next]
    yield from pairwise([*begins, len(tokens)])


def _plain(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())
