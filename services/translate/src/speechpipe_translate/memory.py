"""Sentences that were translated lately."""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Final

from speechpipe_translate.routes import Pair

LONGEST: Final = 1000
"""Characters of a text beyond which it is not kept: no segment is that long, and memory is bounded."""


class Memory:
    """What one engine made of its last texts, pair by pair; the least recently asked go first. For any thread.

    A text that was translated as a partial is here when it becomes the final; one that goes into several languages by
    way of a pivot is translated into the pivot once.

    Args:
        size: texts kept, in all pairs together; 0: none.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[Pair, str], str] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def recall(self, pair: Pair, texts: Iterable[str]) -> dict[str, str]:
        """Translations by text, of those that are known; texts as the pair's model would be given them."""
        known: dict[str, str] = {}
        with self._lock:
            for text in texts:
                found = self._kept.get((pair, text))
                if found is not None:
                    self._kept.move_to_end((pair, text))
                    known[text] = found
        return known

    def keep(self, pair: Pair, translations: Mapping[str, str]) -> None:
        """Remember translations by text."""
        with self._lock:
            for text, translation in translations.items():
                if len(text) <= LONGEST and len(translation) <= LONGEST:
                    self._kept[pair, text] = translation
                    self._kept.move_to_end((pair, text))
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)
