"""What a session said, gathered from its events in the order of speech. Pure."""

from dataclasses import dataclass, field

from speechpipe_client.events import Event
from speechpipe_client.formats import Format, render
from speechpipe_client.segment import Segment as Segment
from speechpipe_common.wire import Error, FinalCaption, Realtime, Translation


@dataclass
class Transcript:
    """Collects a session's events; everything may be read at any time.

    Attributes:
        problems: what went wrong with single segments, which are missing then.
    """

    _captions: dict[str, FinalCaption] = field(default_factory=dict, repr=False)
    _translations: dict[str, dict[str, str]] = field(default_factory=dict, repr=False)
    _open: dict[str, str] = field(default_factory=dict, repr=False)
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

    def translation(self, language: str) -> str:
        """All translations into a language (its code, as ``es``) in order, with spaces between them."""
        texts = (segment.translations.get(language, "").strip() for segment in self.segments)
        return " ".join(text for text in texts if text)

    def to_srt(self, language: str | None = None) -> str:
        """SRT subtitles of what was said, or of its translation into ``language``."""
        return render(self.segments, Format.SRT, target=language)

    def to_vtt(self, language: str | None = None) -> str:
        """WebVTT subtitles of what was said, or of its translation into ``language``."""
        return render(self.segments, Format.VTT, target=language)

    def to_json(self, name: str = "") -> str:
        """A JSON document with segments, words, times in seconds and translations; ``name`` is that of the source."""
        return render(self.segments, Format.JSON, name=name)
