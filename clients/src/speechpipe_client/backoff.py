"""How long to wait before the next attempt. Pure: the clock and the dice are passed in."""

from collections.abc import Callable

FIRST_SECONDS = 0.2
CAP_SECONDS = 5.0


class Backoff:
    """Exponential backoff with full jitter and an end.

    Full jitter (AWS Architecture Blog, "Exponential Backoff And Jitter", 2015) spreads the clients of a gateway that
    went away over the whole interval, so that they do not fall on the next one all at once.
    """

    def __init__(self, patience: float, dice: Callable[[], float]) -> None:
        self._patience = patience
        self._dice = dice
        self._attempts = 0
        self._since: float | None = None

    def reset(self) -> None:
        """The last attempt did good."""
        self._attempts = 0
        self._since = None

    def next(self, now: float, asked: float | None = None) -> float | None:
        """Seconds to wait from ``now`` on, or None when patience has run out.

        ``asked`` is what the server wants (Retry-After); up to a quarter of it is added, for the same spreading.
        """
        if self._since is None:
            self._since = now
        ceiling = min(CAP_SECONDS, FIRST_SECONDS * 2.0**self._attempts)
        wait = self._dice() * ceiling if asked is None else asked * (1 + self._dice() / 4)
        self._attempts += 1
        return wait if now + wait - self._since <= self._patience else None
