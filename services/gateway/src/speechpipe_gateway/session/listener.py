"""From audio with votes to segments and their jobs."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from speechpipe_common.keys import SAMPLE_RATE
from speechpipe_common.messages import SegmentRecord, Transcript
from speechpipe_common.wire import SpeechStarted
from speechpipe_gateway.session.config import Options, SessionConfig
from speechpipe_gateway.session.cutting import quietest
from speechpipe_gateway.session.effects import Effect, Promote, Send
from speechpipe_gateway.session.endpointing import (
    CHUNK,
    Ended,
    Endpointer,
    Event,
    Grew,
    Opened,
    Paused,
    Resumed,
    State,
    TooLong,
    Vote,
)
from speechpipe_gateway.session.jobs import JobMaker
from speechpipe_gateway.session.segment import Segment
from speechpipe_gateway.session.tape import Tape

CUT_WINDOW = 4 * 16_000
"""A cut is looked for in the last four seconds."""


class Listener:
    """Owns the tape, the endpointer and the segment that grows.

    Args:
        config: lengths.
        jobs: makes the jobs.
        segments: all segments without a final, shared with the ledger.
        to_client: converts a session offset to a frame of the client's audio.
        position: session offset of the first sample to come.
        listen_from: offset up to which audio belongs to segments that are cut already.
        growing: a segment that another gateway left open.
    """

    def __init__(
        self,
        config: SessionConfig,
        jobs: JobMaker,
        segments: dict[int, Segment],
        to_client: Callable[[int], int],
        *,
        position: int,
        listen_from: int,
        growing: SegmentRecord | None,
    ) -> None:
        self.options = Options()
        self.tape = Tape(position)
        self.turn: int | None = None
        """The turn that goes on now."""
        self._config = config
        self._jobs = jobs
        self._segments = segments
        self._to_client = to_client
        self._endpointer = Endpointer(config, position, listen_from)
        self._listen_from = max(listen_from, growing.start if growing else 0)
        self._growing = growing
        self._current: Segment | None = None

    @property
    def silent(self) -> bool:
        """No turn is open, not even one too short yet to count."""
        return self._endpointer.state is State.INACTIVE

    @property
    def unheard(self) -> bool:
        """A segment that another gateway left open has not been reached by the audio sent again."""
        return self._growing is not None

    def oldest_needed(self) -> int:
        """Offset before which no audio is needed by any segment that is or may yet be."""
        endpointer = self._endpointer
        if self._segments:
            return min(self._segments)
        if endpointer.state is not State.INACTIVE:
            return endpointer.start
        return min(max(endpointer.floor, endpointer.position - self._config.pre_speech), endpointer.position)

    def audio(self, samples: NDArray[np.int16], votes: Sequence[Vote], now: float) -> list[Effect]:
        """Take samples, and the votes on the chunks that are complete."""
        self.tape.append(samples)
        effects: list[Effect] = []
        for vote in votes:
            if self._endpointer.position < self._listen_from:
                self._endpointer.position += CHUNK
                continue
            self._go_on()
            for event in self._endpointer.feed(vote):
                effects += self._on(event, now)
            self._rest()
        return effects

    def flush(self, now: float) -> list[Effect]:
        """End the turn with the last sample that came."""
        events = self._endpointer.end()
        effects = [effect for event in events for effect in self._on(event, now, end=self.tape.end)]
        self._rest()
        return effects

    def gone(self, segment: Segment, final: Transcript | None, now: float) -> list[Effect]:
        """A segment has its final (or, without one, failed for good).

        A final may end before its segment does, when the gateway before this one promoted a candidate: what comes
        after is a segment of its own.
        """
        if segment is self._current:
            at = final.end if final is not None else self._endpointer.position
            self._current = None
            self._endpointer.cut(max(at, self._endpointer.start))
            return self._open(at) if self._endpointer.opened else []
        if final is None or segment.end is None or segment.end - final.end < self._config.min_speech:
            return []
        rest = Segment(turn=segment.turn, start=final.end, options=segment.options, doubt=True)
        self._segments[rest.start] = rest
        return [self._jobs.final(rest, segment.end, now)]

    def _rest(self) -> None:
        """A turn whose last segment failed, with nothing after it, ends without a segment."""
        if self._current is None and self._endpointer.state is State.INACTIVE:
            self.turn = None

    def _go_on(self) -> None:
        """Continue the segment that was open before, once its first sample is here."""
        record, self._growing = self._growing, None
        if record is not None and record.start in self._segments:
            self._current = self._segments[record.start]
            self.turn = record.turn
            self._endpointer.continue_segment(record.start)

    def _on(self, event: Event, now: float, end: int | None = None) -> list[Effect]:
        match event:
            case Opened(start):
                return self._open(start, heard_at=now - self._config.min_speech / SAMPLE_RATE)
            case Grew(position):
                return self._grew(position, now)
            case Paused(position):
                return [self._jobs.candidate(self._current, position, now)] if self._current else []
            case Resumed():
                if self._current is not None:
                    self._current.candidate = None
                return []
            case Ended(position, soft):
                return self._ended(position if end is None else end, soft, now)
            case TooLong(position):
                return self._cut(position, now)

    def _open(self, start: int, heard_at: float | None = None) -> list[Effect]:
        first = self.turn is None
        if self.turn is None:
            self.turn = start
        segment = Segment(self.turn, start, self.options, follows=not first, heard_until=start)
        segment.heard_at = heard_at if first else None
        self._current = self._segments[start] = segment
        if not first:
            return []
        return [Send(SpeechStarted(segment_id=str(start), offset=self._to_client(start)))]

    def _grew(self, position: int, now: float) -> list[Effect]:
        segment = self._current
        if segment is None:
            return []
        segment.spoke_at = now
        if segment.partial is not None or not self._config.partials:
            return []
        # Until the first words are shown, twice as often: nobody likes to talk to an empty line.
        every = self._config.partial_every // (1 if segment.captioned else 2)
        if position - segment.heard_until < every:
            return []
        return [self._jobs.partial(segment, position, now)]

    def _ended(self, position: int, soft: bool, now: float) -> list[Effect]:
        segment, self._current, self.turn = self._current, None, None
        if segment is None:
            return []
        candidate, segment.candidate = segment.candidate, None
        if candidate is None or soft:
            self._endpointer.floor = position
            return [self._jobs.final(segment, position, now)]
        self._endpointer.floor = candidate.end
        self._jobs.promote(segment, candidate, now)
        return [Promote(segment.start, candidate.rev, segment.record(candidate.rev))]

    def _cut(self, position: int, now: float) -> list[Effect]:
        segment = self._current
        if segment is None:
            return []
        # Some speech stays behind the cut, so that a segment that is said to go on always does.
        latest = min(segment.start + self._config.longest, position - CHUNK)
        earliest = max(segment.stabiliser.committed_until, latest - CUT_WINDOW, segment.start + CHUNK)
        pcm = np.frombuffer(self.tape.read(segment.start, latest), "<i2")
        at = segment.start + quietest(pcm, min(earliest, latest) - segment.start, latest - segment.start)
        segment.continues = True
        self._endpointer.cut(at)
        self._current = None
        final = self._jobs.final(segment, at, now)
        return [final, *(self._open(at) if self._endpointer.opened else [])]
