"""The items of one connection: messages of its session in, events for its client out."""

import math
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final, Literal

from speechpipe_common.wire import Error, FinalCaption, Realtime, SpeechStarted
from speechpipe_gateway.openai_realtime import server_events as events
from speechpipe_gateway.openai_realtime.errors import SERVER
from speechpipe_gateway.openai_realtime.items import Item

Cause = Literal["commit", "clear"]

LEAST_PROBABILITY: Final = 1e-6


class Conversation:
    """Decides what is an item, and when.

    With turns, each turn of the session is one, and is committed when its last final comes. Without, an item is what
    was heard between two commits; nothing of it is told before.

    Args:
        new_id: makes an id that begins with a word.
    """

    def __init__(self, new_id: Callable[[str], str]) -> None:
        self.turns = True
        self.beta = False
        """The client has used the protocol's shape before."""
        self.logprobs = False
        """Transcripts come with the probabilities of their words."""
        self.rate = 1
        """Of the client's audio, Hz."""
        self._new_id = new_id
        self._open: list[Item] = []
        self._buffer = Item("", 0)
        self._flushes: deque[Cause] = deque()
        self._dropped: set[int] = set()
        self._last: str | None = None

    def flushing(self, cause: Cause) -> None:
        """The session was asked to flush; :meth:`flushed` follows."""
        self._flushes.append(cause)

    def flushed(self, owed: frozenset[str]) -> list[events.ServerEvent]:
        """Every message of audio before the flush has come, but for the finals of these segments."""
        owing = {int(segment) for segment in owed}
        if self._flushes.popleft() == "clear":
            return self._clear(owing)
        waiting = self._ended(owing) if self.turns else []
        return [event for item in waiting or [self._gather(owing)] for event in self._commit(item)]

    def started(self, message: SpeechStarted) -> list[events.ServerEvent]:
        """A turn has begun."""
        if not self.turns:
            return []
        item = self._begin(int(message.segment_id))
        at = message.offset * 1_000 // self.rate
        return [events.SpeechStarted(event_id=self._event(), item_id=item.id, audio_start_ms=at)]

    def caption(self, message: Realtime | FinalCaption) -> list[events.ServerEvent]:
        """A segment has words, or its last."""
        segment, last = int(message.segment_id), isinstance(message, FinalCaption)
        if segment in self._dropped:
            if last:
                self._dropped.discard(segment)
            return []
        item = self._of(segment)
        if isinstance(message, FinalCaption):
            item.final(message)
        else:
            item.partial(message)
        return [] if item is self._buffer else self._tell(item)

    def failed(self, message: Error) -> list[events.ServerEvent]:
        """A segment will have no final."""
        segment = int(message.segment_id or 0)
        if segment in self._dropped:
            self._dropped.discard(segment)
            return []
        item = self._of(segment)
        if item is self._buffer:
            # Told with the commit that it belongs to.
            item.failed = item.failed or message
            return []
        return [*self._announce(item), *self._fail(item, message)]

    # --- items -----------------------------------------------------------------------------------------------------

    def _event(self) -> str:
        return self._new_id("event")

    def _begin(self, segment: int) -> Item:
        item = Item(self._new_id("item"), segment)
        self._open.append(item)
        return item

    def _of(self, segment: int) -> Item:
        """The item that a segment belongs to."""
        for item in reversed(self._open):
            if (item.first <= segment) if item.expected is None else (segment in item.expected):
                return item
        return self._begin(segment) if self.turns else self._buffer

    def _ended(self, owing: set[int]) -> list[Item]:
        """Items whose turns have ended with a commit, if not before; all of their segments are known now."""
        waiting = [item for item in self._open if not item.announced]
        homes = {segment: self._of(segment) for segment in sorted(owing - self._dropped)}
        for item in waiting:
            owed = {segment for segment, home in homes.items() if home is item}
            item.expected = tuple(sorted({*item.parts, *owed}))
        return waiting

    def _gather(self, owing: set[int]) -> Item:
        """An item of what was heard since the last commit, and of what is owed to no other item."""
        claimed = {segment for item in self._open for segment in item.expected or item.parts}
        buffer, self._buffer = self._buffer, Item("", 0)
        buffer.id = self._new_id("item")
        buffer.expected = tuple(sorted({*buffer.parts, *(owing - claimed - self._dropped)}))
        self._open.append(buffer)
        return buffer

    def _clear(self, owing: set[int]) -> list[events.ServerEvent]:
        """Forget what was not committed; what is still owed of it will be passed over."""
        kept = [item for item in self._open if item.announced]
        claimed = {segment for item in kept for segment in item.expected or item.parts}
        self._open = kept
        self._buffer = Item("", 0)
        self._dropped |= owing - claimed
        return [events.Cleared(event_id=self._event())]

    def _close(self, item: Item) -> None:
        self._open.remove(item)

    # --- events ----------------------------------------------------------------------------------------------------

    def _tell(self, item: Item) -> list[events.ServerEvent]:
        """What is new of an item."""
        found: list[events.ServerEvent] = []
        if item.whole and not item.announced:
            end = item.finals[-1].end
            found.append(events.SpeechStopped(event_id=self._event(), item_id=item.id, audio_end_ms=round(end * 1_000)))
            found += self._announce(item)
        found += (events.Delta(event_id=self._event(), item_id=item.id, delta=text) for text in item.deltas())
        return [*found, *(self._complete(item) if item.whole else ())]

    def _commit(self, item: Item) -> list[events.ServerEvent]:
        announced = self._announce(item)
        if item.failed is not None:
            return [*announced, *self._fail(item, item.failed)]
        return [*announced, *self._tell(item)]

    def _announce(self, item: Item) -> list[events.ServerEvent]:
        if item.announced:
            return []
        item.announced = True
        item.previous, self._last = self._last, item.id
        added = events.ItemCreated if self.beta else events.ItemAdded
        return [
            events.Committed(event_id=self._event(), item_id=item.id, previous_item_id=item.previous),
            added(event_id=self._event(), previous_item_id=item.previous, item=events.ItemBody(id=item.id)),
        ]

    def _complete(self, item: Item) -> Iterable[events.ServerEvent]:
        self._close(item)
        usage = events.Duration(seconds=round(sum(final.end - final.start for final in item.finals), 3))
        said = item.transcript
        probable = _logprobs(item.finals) if self.logprobs else None
        event = self._event()
        yield events.Completed(event_id=event, item_id=item.id, transcript=said, usage=usage, logprobs=probable)
        if not self.beta:
            body = events.ItemBody(id=item.id, content=(events.Content(transcript=said),))
            yield events.ItemDone(event_id=self._event(), previous_item_id=item.previous, item=body)

    def _fail(self, item: Item, message: Error) -> Iterable[events.ServerEvent]:
        """Close an item without a transcript; of its other segments nothing is told any more."""
        self._close(item)
        heard = set(item.expected or item.parts) - {int(message.segment_id or 0)}
        self._dropped |= {segment for segment in heard if (part := item.parts.get(segment)) is None or not part.final}
        problem = events.Problem(type=SERVER, code=message.code, message=message.message)
        yield events.Failed(event_id=self._event(), item_id=item.id, error=problem)


def _logprobs(finals: Iterable[FinalCaption]) -> tuple[events.LogProb, ...]:
    """Of each word; one that is out of the question is given the logarithm of a millionth."""
    return tuple(
        events.LogProb(
            token=word.text,
            bytes=tuple(word.text.encode()),
            logprob=round(math.log(max(word.probability, LEAST_PROBABILITY)), 4),
        )
        for final in finals
        for word in final.words
    )
