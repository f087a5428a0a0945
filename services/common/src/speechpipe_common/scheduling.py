"""Whose turn it is at a model that many share, and how long a call will take: decisions on values, no clock."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final, TypeVar

PARTIALS_SECONDS: Final = 0.15
"""What a call for partials may take by prediction, so that a final that comes meanwhile does not wait behind it."""

_MEMORY: Final = 0.8
"""Weight of what was known of the model's speed against the latest call."""

T = TypeVar("T")


def in_turn(items: Iterable[T], client: Callable[[T], str], due: Callable[[T], float]) -> list[T]:
    """Every client's first before any client's second; among equals the oldest first.

    Args:
        items: what waits.
        client: whose an item is.
        due: since when it waits, in seconds.
    """
    turns: Counter[str] = Counter()
    ranked: list[tuple[int, float, T]] = []
    for item in sorted(items, key=due):
        ranked.append((turns[client(item)], due(item), item))
        turns[client(item)] += 1
    return [item for _, _, item in sorted(ranked, key=lambda one: one[:2])]


class Pace:
    """How long calls take, learned from the last ones.

    Args:
        prior: seconds that the model takes for one unit of work, before anything is known.
    """

    def __init__(self, prior: float) -> None:
        self._rate = prior

    def predict(self, work: float) -> float:
        """Seconds of a call for so much work."""
        return self._rate * work

    def learn(self, work: float, seconds: float) -> None:
        """A call for so much work, more than none, took so long."""
        self._rate = _MEMORY * self._rate + (1 - _MEMORY) * seconds / work
