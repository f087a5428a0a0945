"""A segment of speech that is settled."""

from dataclasses import dataclass

from speechpipe_common.wire import FinalCaption, WireWord


@dataclass(frozen=True, slots=True)
class Segment:
    """A final caption and its translations by language."""

    caption: FinalCaption
    translations: dict[str, str]

    @property
    def text(self) -> str:
        """What was said."""
        return self.caption.text.strip()

    @property
    def language(self) -> str:
        """In which language."""
        return self.caption.language

    @property
    def start(self) -> float:
        """Seconds from the beginning of the session's audio."""
        return self.caption.start

    @property
    def end(self) -> float:
        """Seconds from the beginning of the session's audio."""
        return self.caption.end

    @property
    def words(self) -> tuple[WireWord, ...]:
        """Each word with its times."""
        return self.caption.words
