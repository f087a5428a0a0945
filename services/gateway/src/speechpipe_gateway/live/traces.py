"""The trace of each segment, as its gateway sees it: from the onset to the final that is on its way to the client."""

from collections import OrderedDict
from typing import Final

from speechpipe_common.messages import AudioJob
from speechpipe_common.tracing import NOTHING, Span, Tracing
from speechpipe_common.wire import Error, FinalCaption, SpeechStarted
from speechpipe_gateway.session import Effect, Promote, Send, Submit

MOST_SEGMENTS: Final = 256
"""Of one session whose context is kept, in case its translation is submitted again."""


class SegmentTraces:
    """Follows the effects of one session.

    A span begins with the first job that may become a final, at the time of its onset: an onset that was none leaves
    no trace. A segment that another gateway goes on with has a second trace there.

    Args:
        tracing: records.
        client: the session's id.
    """

    def __init__(self, tracing: Tracing, client: str) -> None:
        self._tracing = tracing
        self._client = client
        self._onset = (-1, 0.0)
        self._open: dict[int, Span] = {}
        self._contexts: OrderedDict[int, str] = OrderedDict()

    def saw(self, effect: Effect, now: float, *, heard: bool) -> None:
        """The core wants this done; ``heard`` says that a client is there to be told."""
        if not self._tracing.on:
            return
        match effect:
            case Submit(job=job) if job.kind != "partial":
                self._submitted(job, now, again=effect.again)
            case Promote(segment=segment):
                self._span(segment).event("promoted")
            case Send(message=SpeechStarted(segment_id=segment)):
                self._onset = (int(segment), now)
            case Send(message=FinalCaption(segment_id=segment) as final):
                span = self._open.pop(int(segment), NOTHING)
                span.note(audio_seconds=round(final.end - final.start, 3), language=final.language, delivered=heard)
                span.event("final")
                span.end(now)
            case Send(message=Error(segment_id=str(segment), language=None, code=code)):
                span = self._open.pop(int(segment), NOTHING)
                span.fail(code)
                span.end(now)

    def context(self, segment: int) -> str:
        """What a job of this segment follows from; empty where that is not recorded."""
        return self._contexts.get(segment, "")

    def close(self) -> None:
        """This gateway has nothing more to do with the session."""
        for span in self._open.values():
            span.event("left")
            span.end()
        self._open.clear()

    def _span(self, segment: int) -> Span:
        return self._open.get(segment, NOTHING)

    def _submitted(self, job: AudioJob, now: float, *, again: bool) -> None:
        if job.segment not in self._open:
            onset, at = self._onset
            began = at if onset == job.segment else now
            span = self._tracing.begin("utterance", at=began, session=self._client, segment=job.segment)
            self._open[job.segment] = span
            self._contexts[job.segment] = span.context
            if len(self._contexts) > MOST_SEGMENTS:
                self._contexts.popitem(last=False)
        self._span(job.segment).event("submitted again" if again else job.kind, rev=job.rev)
