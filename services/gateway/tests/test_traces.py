"""What the trace of a segment says at its gateway: a real core, scripted speech, a real collector."""

from collections.abc import AsyncIterator, Iterator

import msgspec
import pytest
import pytest_asyncio
from session_world import QUIET, SPEECH, World, transcript

from speechpipe_common.messages import Failure
from speechpipe_common.settings import ServiceSettings
from speechpipe_common.testing_traces import Collector, SeenSpan
from speechpipe_common.tracing import Tracing, open_tracing
from speechpipe_gateway.live.traces import MOST_SEGMENTS, SegmentTraces
from speechpipe_gateway.session import Effect, Submit, Vote

CHUNK_SECONDS = 0.032


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A collector that listens."""
    with Collector() as made:
        yield made


class Watched:
    """A session whose effects the traces see as a live session shows them."""

    def __init__(self, tracing: Tracing, collector: Collector) -> None:
        self.world = World.new()
        self.traces = SegmentTraces(tracing, "c")
        self._tracing = tracing
        self._collector = collector

    def see(self, effects: list[Effect], *, heard: bool = True) -> None:
        """Show what the core wants done."""
        for effect in effects:
            self.traces.saw(effect, self.world.now, heard=heard)

    def says(self, seconds: float = 1.0) -> None:
        """Somebody speaks."""
        self._hear(SPEECH, seconds)

    def pauses(self, seconds: float) -> None:
        """Silence."""
        self._hear(QUIET, seconds)

    def _hear(self, vote: Vote, seconds: float) -> None:
        for _ in range(round(seconds / CHUNK_SECONDS)):
            self.see(self.world.hear(vote, CHUNK_SECONDS))

    async def spans(self) -> list[SeenSpan]:
        """All spans, once everything has ended."""
        self.traces.close()
        await self._tracing.close()
        return self._collector.spans


@pytest_asyncio.fixture
async def watched(collector: Collector) -> AsyncIterator[Watched]:
    """A fresh session that is traced."""
    tracing = open_tracing(ServiceSettings(otel_exporter_otlp_endpoint=collector.url), "gateway", "g-1")
    yield Watched(tracing, collector)
    await tracing.close()


async def test_a_segment_is_one_span_from_onset_to_final(watched: Watched) -> None:
    """Candidate, promotion and final are events of a span that begins with the onset and ends as the final goes out."""
    watched.pauses(1.5)
    began = watched.world.now
    watched.says(1.5)
    watched.pauses(1.0)
    [candidate] = watched.world.jobs("candidate")
    assert watched.traces.context(candidate.segment).startswith("00-")
    watched.see(watched.world.deliver(transcript(candidate, kind="final")))
    [span] = await watched.spans()
    assert (span.name, span.events, span.failed) == ("utterance", ("candidate", "promoted", "final"), False)
    assert began <= span.begin <= began + 0.2
    shown = {name.removeprefix("speechpipe."): value for name, value in span.attributes.items()}
    assert shown["session"] == "c"
    assert (shown["segment"], shown["language"], shown["delivered"]) == (candidate.segment, "en", True)
    assert shown["audio_seconds"] == pytest.approx((candidate.end - candidate.start) / 16_000, abs=0.01)


async def test_a_final_that_does_not_come_is_submitted_again(watched: Watched) -> None:
    """A resubmission is an event of the same span; one that nobody is there to hear is said to be undelivered."""
    watched.says(1.5)
    watched.pauses(1.0)
    watched.world.now += 11
    watched.see(watched.world.take(watched.world.core.tick(watched.world.now, listening=True)))
    final = watched.world.jobs("final")[-1]
    watched.see(watched.world.deliver(transcript(final)), heard=False)
    [span] = await watched.spans()
    assert span.events == ("candidate", "promoted", "submitted again", "final")
    assert span.attributes["speechpipe.delivered"] is False


async def test_a_segment_that_is_given_up_has_failed(watched: Watched) -> None:
    """The last word that there is no text ends the span as failed."""
    watched.says(1.5)
    watched.pauses(1.0)
    job = watched.world.jobs("candidate")[-1]
    failure = Failure(segment=job.segment, rev=job.rev, code="gave_up", message="three workers died", retry=False)
    watched.see(watched.world.deliver(failure, entry="9-0"))
    [span] = await watched.spans()
    assert span.failed


async def test_an_onset_that_was_none_leaves_no_trace(watched: Watched) -> None:
    """A click begins no span, since no job that may become a final follows from it."""
    watched.says(0.1)
    watched.pauses(2.0)
    assert await watched.spans() == []


async def test_what_is_left_to_another_gateway_ends_here(watched: Watched) -> None:
    """A segment without its final when the session leaves this gateway is a span that says so."""
    watched.says(1.5)
    watched.pauses(0.5)
    [span] = await watched.spans()
    assert span.events == ("candidate", "left")


async def test_speech_without_a_pause_is_a_span_for_each_segment(watched: Watched) -> None:
    """Where a long turn is cut, the next segment has a trace of its own, which begins when it is sent on its way."""
    watched.says(12.0)
    watched.pauses(1.0)
    spans = await watched.spans()
    assert len({span.trace for span in spans}) == len(spans) == 2
    assert {span.attributes["speechpipe.segment"] for span in spans} == {
        job.segment for job in watched.world.jobs() if job.kind != "partial"
    }


async def test_contexts_are_kept_within_a_bound(watched: Watched) -> None:
    """A session of any length keeps the contexts of its last segments alone, finals that came or not."""
    watched.says(1.5)
    watched.pauses(1.0)
    [first] = watched.world.jobs("candidate")
    for number in range(1, MOST_SEGMENTS + 1):
        job = msgspec.structs.replace(first, segment=first.segment + number)
        watched.traces.saw(Submit(job, None), watched.world.now, heard=True)
    assert watched.traces.context(first.segment) == ""
    assert watched.traces.context(first.segment + MOST_SEGMENTS) != ""
    await watched.spans()


async def test_nothing_is_kept_where_nothing_is_traced(collector: Collector) -> None:
    """Without an endpoint jobs carry no context and the collector hears nothing."""
    watched = Watched(Tracing(), collector)
    watched.says(1.5)
    watched.pauses(1.0)
    assert watched.traces.context(watched.world.jobs("candidate")[-1].segment) == ""
    assert await watched.spans() == []
