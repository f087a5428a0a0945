"""Which models lead from one language to another: decisions only."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, permutations

from speechpipe_translate.errors import UnsupportedPair


@dataclass(frozen=True, slots=True, order=True)
class Pair:
    """A direction of translation, in the codes of ``speechpipe_common.languages``."""

    source: str
    target: str

    def __str__(self) -> str:
        return f"{self.source}-{self.target}"


Route = tuple[Pair, ...]
"""Pairs to translate through one after the other; empty when the text is in the wanted language already."""


def find_route(source: str, target: str, available: Collection[Pair], pivots: Sequence[str], advice: str = "") -> Route:
    """The shortest way from ``source`` to ``target``; among ways of one length, the one whose pivots come first.

    Args:
        source: language code of the text.
        target: language code wanted.
        available: pairs that have a model.
        pivots: languages that a way may pass through, each at most once, best first.
        advice: what a refusal tells to do.

    Raises:
        UnsupportedPair: there is no way.
    """
    if source == target:
        return ()
    for through in _detours(source, target, pivots):
        route = tuple(Pair(*step) for step in pairwise((source, *through, target)))
        if all(pair in available for pair in route):
            return route
    raise UnsupportedPair(source, target, sorted(str(pair) for pair in available), tuple(pivots), advice)


def _detours(source: str, target: str, pivots: Sequence[str]) -> Iterator[tuple[str, ...]]:
    usable = [pivot for pivot in pivots if pivot not in (source, target)]
    for length in range(len(usable) + 1):
        yield from permutations(usable, length)
