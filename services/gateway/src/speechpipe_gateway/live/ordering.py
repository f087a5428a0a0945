"""Captions in the order in which they were said, for clients that have nothing else to sort them by. Pure.

Workers answer in any order: a short segment may be decoded before the long one that came first.
"""

from collections.abc import Collection, Iterator
from typing import Final

from speechpipe_common.wire import Error, FinalCaption, Realtime, ServerMessage

NOTHING: Final[Collection[int]] = ()


class InOrder:
    """Holds finals until all earlier ones have come; partials that would overtake a final are left out."""

    def __init__(self) -> None:
        self._held: dict[int, ServerMessage] = {}

    @property
    def held(self) -> frozenset[int]:
        """Segments whose final waits here."""
        return frozenset(self._held)

    def take(self, message: ServerMessage, owed: Collection[int]) -> Iterator[ServerMessage]:
        """What may be said now.

        Args:
            message: the next.
            owed: segments whose final is still to come; that of ``message`` no longer, where it is one.
        """
        earliest = min(owed, default=None)
        match message:
            case Realtime(segment_id=segment):
                if earliest is None or int(segment) <= earliest:
                    yield message
            case FinalCaption(segment_id=segment) | Error(segment_id=str(segment), language=None):
                self._held[int(segment)] = message
                for held in sorted(self._held):
                    if earliest is None or held < earliest:
                        yield self._held.pop(held)
            case _:
                yield message
