"""What a session said, gathered from its events in the order of speech. Pure."""

from dataclasses import dataclass, field

from speechpipe_client.inbox import Event
from speechpipe_common.wire import Error, FinalCaption, Realtime, Translation


@dataclass(frozen=True, slots=True)
class Segment:
    """A final caption and its translations by language."""

    caption: FinalCaption
    translations: dict[str, str]


@dataclass
class Transcript:
    """Collects a session's events; ``segments`` and ``problems`` may be read at any time."""

    _captions: dict[str, FinalCaption] = field(default_factory=dict)
    _translations: dict[str, dict[str, str]] = field(default_factory=dict)
    _open: dict[str, str] = field(default_factory=dict)
    problems: list[Error] = field(default_factory=list)

    def add(self, event: Event) -> None:
        """Take one event into account."""
        match event:
            case FinalCaption():
                self._captions[event.segment_id] = event
                self._open.pop(event.segment_id, None)
            case Translation(is_final=True):
                self._translations.setdefault(event.segment_id, {})[event.language] = event.text
            case Realtime():
                self._open[event.segment_id] = event.text
            case Error():
                self.problems.append(event)
                if event.segment_id is not None and event.language is None:
                    self._open.pop(event.segment_id, None)

    @property
    def segments(self) -> list[Segment]:
        """Final captions with text, by time; silence that was taken for speech at first is left out."""
        captions = sorted(self._captions.values(), key=lambda caption: caption.start)
        return [
            Segment(caption, dict(self._translations.get(caption.segment_id, {})))
            for caption in captions
            if caption.text.strip()
        ]

    @property
    def pending(self) -> str:
        """What has been heard of segments that are not final."""
        return " ".join(self._open.values())

    @property
    def text(self) -> str:
        """All finals in order, with spaces between them."""
        return " ".join(segment.caption.text.strip() for segment in self.segments)
