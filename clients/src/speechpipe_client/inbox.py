"""Lets every final through once and no partial after its final, whatever a resume replays. Pure."""

from collections import deque

from speechpipe_client.events import Event as Event
from speechpipe_common.wire import Error, FinalCaption, Realtime, SpeechStarted, Translation

Message = SpeechStarted | Realtime | FinalCaption | Translation | Error
"""What a gateway says of a session's speech."""


class Deduplicator:
    """Decides which events of a session are news."""

    def __init__(self) -> None:
        self._finals: set[tuple[str, str]] = set()
        self._started: set[str] = set()
        self._revs: dict[tuple[str, str], int] = {}

    def reconnected(self) -> None:
        """Another gateway may count its revisions anew; finals stay final."""
        self._revs.clear()

    def admit(self, event: Message) -> bool:
        """Whether the caller should see ``event``: not a repeated final, a late partial, or a lower revision."""
        match event:
            case FinalCaption():
                return self._first_final(event.segment_id, "")
            case Translation(is_final=True):
                return self._first_final(event.segment_id, event.language)
            case Realtime():
                return self._newer_partial(event.segment_id, "", event.rev)
            case Translation():
                return self._newer_partial(event.segment_id, event.language, event.rev)
            case SpeechStarted():
                news = event.segment_id not in self._started
                self._started.add(event.segment_id)
                return news
            case _:
                return True

    def _first_final(self, segment: str, language: str) -> bool:
        if (segment, language) in self._finals:
            return False
        self._finals.add((segment, language))
        self._revs.pop((segment, language), None)
        return True

    def _newer_partial(self, segment: str, language: str, rev: int) -> bool:
        if (segment, "") in self._finals or (segment, language) in self._finals:
            return False
        if rev < self._revs.get((segment, language), rev):
            return False
        self._revs[segment, language] = rev
        return True


class EventQueue:
    """Events in order, where a newer partial of a segment takes the place of one that nobody has read yet."""

    def __init__(self) -> None:
        self._events: deque[Event] = deque()

    def __len__(self) -> int:
        return len(self._events)

    def put(self, event: Event) -> None:
        """Add an event; drop the unread partial that it overtakes."""
        key = _partial_key(event)
        if key is not None:
            for index, waiting in enumerate(self._events):
                if _partial_key(waiting) == key:
                    self._events[index] = event
                    return
        self._events.append(event)

    def get(self) -> Event | None:
        """The oldest event, or None."""
        return self._events.popleft() if self._events else None


def _partial_key(event: Event) -> tuple[str, str] | None:
    match event:
        case Realtime():
            return event.segment_id, ""
        case Translation(is_final=False):
            return event.segment_id, event.language
        case _:
            return None
