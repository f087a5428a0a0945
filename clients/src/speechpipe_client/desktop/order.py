"""Gives finals out in the order of speech, whatever order workers finish in. Pure."""

from speechpipe_client import Event, Final, Opened, Partial, Problem, SpeechStarted


class SpeechOrder:
    """A final waits until all that was said before it is final, or has failed.

    Order is that in which segments were first heard of. What a new session says stands after all of an old one.
    """

    def __init__(self) -> None:
        self._segments: dict[str, Final | Problem | None] = {}

    def take(self, event: Event) -> list[Final]:
        """Finals that may be typed now that ``event`` came; those without text are left out."""
        match event:
            case Opened():
                return self.rest()
            case SpeechStarted() | Partial():
                self._segments.setdefault(event.segment_id, None)
            case Final():
                self._segments[event.segment_id] = event
            case Problem(segment_id=str() as segment, language=None):
                self._segments[segment] = event
        return self._settled()

    def rest(self) -> list[Final]:
        """Finals that still wait: nothing more will come of what they wait for."""
        waiting = [final for final in self._segments.values() if isinstance(final, Final)]
        self._segments.clear()
        return [final for final in waiting if final.text.strip()]

    def _settled(self) -> list[Final]:
        ready: list[Final] = []
        for segment, outcome in list(self._segments.items()):
            if outcome is None:
                break
            del self._segments[segment]
            if isinstance(outcome, Final) and outcome.text.strip():
                ready.append(outcome)
        return ready
