"""When an utterance has ended for good: a gap behind its last word. Pure; all times are seconds of the session."""


class Utterances:
    """Watches finals and onsets for the gap of ``utterance_end_ms``.

    Args:
        gap: seconds without a word; None: nobody asks.
    """

    def __init__(self, gap: float | None) -> None:
        self._gap = gap
        self._open: dict[int, float] = {}
        self._goes_on = False
        self._last_word: float | None = None
        self._reached = 0.0

    def began(self, segment: int, start: float) -> float | None:
        """Somebody speaks; the end of the word before, where that was long ago."""
        self._open[segment] = start
        return self._ended()

    def speaks(self, first_word: float) -> float | None:
        """A final begins with a word there; the end of the word before, where that was long ago.

        An onset alone does not tell: it lies up to a second before the word.
        """
        return self._past(first_word)

    def final(self, segment: int, last_word: float | None, *, continues: bool) -> float | None:
        """A segment has its final, whose last word ended there; that end, where nothing follows."""
        self._open.pop(segment, None)
        self._goes_on = continues
        if last_word is not None:
            self._last_word = last_word
        return self._ended()

    def failed(self, segment: int) -> float | None:
        """A segment has none; likewise."""
        return self.final(segment, None, continues=False)

    def reached(self, seconds: float) -> float | None:
        """All that was heard up to here has been said; likewise."""
        self._reached = seconds
        return self._ended()

    def _ended(self) -> float | None:
        return None if self._goes_on else self._past(min(self._open.values(), default=self._reached))

    def _past(self, quiet_until: float) -> float | None:
        """The end of the last word, once."""
        word = self._last_word
        if self._gap is None or word is None or quiet_until < word + self._gap:
            return None
        self._last_word = None
        return word
