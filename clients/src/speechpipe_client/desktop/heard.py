"""Up to where a session's speech has its captions. Pure."""

from speechpipe_client import Event, Final, Partial, Problem, SpeechStarted


class HeardUntil:
    """Follows a session's events.

    Args:
        sample_rate: of the audio that was sent, in Hz.
    """

    def __init__(self, sample_rate: int) -> None:
        self._sample_rate = sample_rate
        self._open: set[str] = set()
        self.frame = 0
        """The frame after the last word of the last final before which nothing is open."""

    def take(self, event: Event) -> None:
        """Take an event into account."""
        match event:
            case SpeechStarted() | Partial():
                self._open.add(event.segment_id)
            case Final():
                self._open.discard(event.segment_id)
                if not self._open:
                    self.frame = max(self.frame, round(event.end * self._sample_rate))
            case Problem(segment_id=str() as segment, language=None):
                self._open.discard(segment)
