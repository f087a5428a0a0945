"""An item: one utterance as clients see it, of one or several segments of the session."""

from dataclasses import dataclass, field

from speechpipe_common.keys import SAMPLE_RATE
from speechpipe_common.wire import Error, FinalCaption, Realtime
from speechpipe_gateway.openai_realtime.transcript import remainder, separator


@dataclass(slots=True)
class Part:
    """A segment.

    Attributes:
        committed: of its newest partial.
        language: of its newest caption.
        told: what clients have been told of it.
        final: its final.
        settled: all of it has been told.
    """

    committed: str = ""
    language: str = ""
    told: str = ""
    final: FinalCaption | None = None
    settled: bool = False

    def tell(self) -> str:
        """What may be told now and was not."""
        if self.settled:
            return ""
        if self.final is not None:
            self.settled = True
            rest = remainder(self.told, self.final.text, self.final.language)
        elif self.committed.startswith(self.told):
            rest = self.committed[len(self.told) :]
        else:
            rest = ""
        self.told += rest
        return rest


@dataclass(slots=True)
class Item:
    """Segments in the order of their audio.

    Attributes:
        id: of the item.
        first: id of its first segment, which is also where that begins, in samples.
        expected: all of its segments, where that is known; else each final says whether another one follows.
        announced: clients know that it is committed.
        told: clients have been told words of it.
        previous: id of the item that was committed before it.
        failed: why it will have no transcript.
    """

    id: str
    first: int
    expected: tuple[int, ...] | None = None
    announced: bool = False
    told: bool = False
    previous: str | None = None
    failed: Error | None = None
    parts: dict[int, Part] = field(default_factory=dict)

    def partial(self, message: Realtime) -> None:
        """A segment has grown."""
        part = self._part(message.segment_id)
        part.committed, part.language = message.committed, message.language

    def final(self, message: FinalCaption) -> None:
        """A segment is done."""
        self._part(message.segment_id).final = message

    def deltas(self) -> list[str]:
        """What may be told now: nothing of a segment before all those in front of it are final."""
        found: list[str] = []
        for part in self._reached()[0]:
            first = not part.told
            if text := part.tell():
                between = separator("told" if self.told else "", _language(part)) if first else ""
                found.append(between + text)
                self.told = True
        return found

    @property
    def whole(self) -> bool:
        """All of its segments are final."""
        return self._reached()[1]

    @property
    def transcript(self) -> str:
        """The finals, joined."""
        text = ""
        for part in self._reached()[0]:
            if part.final is not None and part.final.text:
                text += separator(text, part.final.language) + part.final.text
        return text

    @property
    def finals(self) -> list[FinalCaption]:
        """In the order of their audio, as far as there is no hole."""
        return [part.final for part in self._reached()[0] if part.final is not None]

    def _part(self, segment: str) -> Part:
        return self.parts.setdefault(int(segment), Part())

    def _reached(self) -> tuple[list[Part], bool]:
        """Segments up to and with the first that is not final, and whether there is none such."""
        reached: list[Part] = []
        if self.expected is not None:
            for segment in self.expected:
                reached.append(self.parts.setdefault(segment, Part()))
                if reached[-1].final is None:
                    return reached, False
            return reached, True
        at = self.first
        while part := self.parts.get(at):
            reached.append(part)
            if part.final is None:
                return reached, False
            if not part.final.continues:
                return reached, True
            at = round(part.final.end * SAMPLE_RATE)
        return reached, False


def _language(part: Part) -> str:
    return part.final.language if part.final is not None else part.language
