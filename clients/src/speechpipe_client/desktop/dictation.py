"""From events of a session to what the overlay shows and what is typed. Pure: clock and settings are passed in."""

from collections.abc import Sequence

from speechpipe_client import Event, Final
from speechpipe_client.desktop.captions import Captions, Line
from speechpipe_client.desktop.notices import State, Status
from speechpipe_client.desktop.order import SpeechOrder

SENTENCE_SECONDS = 8.0


class Dictation:
    """What a person sees and gets, from all that the conversation tells."""

    def __init__(self) -> None:
        self.state = State.IDLE
        self._captions = Captions()
        self._order = SpeechOrder()
        self._told: Status | None = None
        self._told_at = 0.0

    def choose(self, targets: Sequence[str]) -> None:
        """Show these languages."""
        self._captions.targets = tuple(targets)

    def take_status(self, status: Status, now: float) -> None:
        """Take a new state into account; a sentence stays for a while, and while the connection is lost."""
        self.state = status.state
        if status.sentence:
            self._told, self._told_at = status, now

    def take(self, event: Event, now: float) -> list[Final]:
        """Take an event into account; finals that may be typed now."""
        self._captions.take(event, now)
        return self._order.take(event)

    def delivered(self) -> list[Final]:
        """Nothing more comes of the stretch; finals that waited."""
        return self._order.rest()

    def shown(self, now: float) -> tuple[list[Line], Status | None]:
        """Lines of the overlay, and what else is to be said there."""
        stays = self.state is State.LOST or now - self._told_at < SENTENCE_SECONDS
        return self._captions.lines(now), self._told if stays else None
