"""When the model is called: at once for a few sessions, in step for many, so that they share its calls."""

from typing import Final

from speechpipe_gateway.vad.state import VadState

PERIOD_SECONDS: Final = 0.016
"""While several sessions speak, the model is called this often at most: half a chunk. In a batch of 16 a chunk costs
31 µs, alone 75, and what two threads need to tell each other is once as much again."""

CROWD: Final = 3
"""Sessions that asked within a period from which on others are waited for."""


class Pace:
    """Knows how many sessions speak; times are seconds of one steady clock."""

    def __init__(self) -> None:
        self._asking: set[VadState] = set()
        self._since = self._began = float("-inf")
        self._crowd = 0

    def asked(self, state: VadState) -> None:
        """A session has audio."""
        self._asking.add(state)

    def began(self, now: float) -> None:
        """The model is called."""
        self._began = now
        if now - self._since >= PERIOD_SECONDS:
            self._since, self._crowd = now, len(self._asking)
            self._asking.clear()

    def pause(self, now: float) -> float:
        """Seconds to wait for more sessions, 0 or less for none."""
        return self._began + PERIOD_SECONDS - now if self._crowd >= CROWD else 0.0
