"""One trace for each segment, over all processes of a real pipeline."""

from collections.abc import Iterator

import pytest
from callers import Caller
from speech import Clip
from world import World, verdict

from speechpipe_common.testing import eventually, free_port
from speechpipe_common.testing_traces import Collector, SeenSpan
from speechpipe_common.wire import FinalCaption

CLOCK = 0.002
"""Entries of streams know milliseconds."""


def caller_of(world: World, clips: dict[int, list[Clip]]) -> Caller:
    """Somebody who says two sentences, with a pause between them that ends the first, and wants them in Spanish."""
    rate = min(clips)
    return Caller("speaker", world.urls, clips[rate][:2], rate)


async def hear_out(world: World, caller: Caller) -> None:
    """Let the caller say what they have to say and get what they are owed, then end every process in good order."""
    async with world.talking([caller]):
        await eventually(lambda: caller.finals, "a final", 240)
    await world.until_empty()
    assert verdict([caller]).clean
    assert [await service.terminate() for service in world.services] == [0] * len(world.services)


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A collector that listens."""
    with Collector() as made:
        yield made


@pytest.mark.timeout(900)
async def test_each_segment_is_one_trace(world: World, clips: dict[int, list[Clip]], collector: Collector) -> None:
    """What somebody says is one connected trace, gateway to STT to translation, with times that follow from each other
    and nothing of what was said.
    """
    traced = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_RESOURCE_ATTRIBUTES": "speechpipe.pipeline=test",
    }
    world.add_gateway(**traced)
    world.add_stt(INSTANCE_ID="stt-0", **traced)
    world.add_translate(INSTANCE_ID="translate-0", **traced)
    await world.start()
    caller = caller_of(world, clips)
    await hear_out(world, caller)
    finals = [message for message in caller.wire.messages if isinstance(message, FinalCaption)]
    traces = list(collector.traces().values())
    assert {_root(spans).attributes["speechpipe.segment"] for spans in traces} == {int(f.segment_id) for f in finals}
    for spans in traces:
        _check(spans)
    assert {span.service for span in collector.spans} == {
        "speechpipe-gateway",
        "speechpipe-stt",
        "speechpipe-translate",
    }
    assert {span.resource["speechpipe.pipeline"] for span in collector.spans} == {"test"}
    assert {"stt-0", "translate-0"} < {span.resource["service.instance.id"] for span in collector.spans}
    words = {word.strip(".,").encode() for final in finals for word in final.text.split() if len(word) > 4}
    assert words
    assert not any(word in body for word in words for body in collector.raw)


def _root(spans: list[SeenSpan]) -> SeenSpan:
    [root] = [span for span in spans if not span.parent]
    return root


def _check(spans: list[SeenSpan]) -> None:
    """The shape of a segment's trace."""
    root, by_id = _root(spans), {span.id: span for span in spans}
    assert (root.name, root.service) == ("utterance", "speechpipe-gateway")
    assert root.events[-1] == "final"
    assert "final" in root.events[:-1] or {"candidate", "promoted"} <= set(root.events)
    assert root.attributes["speechpipe.delivered"] is True
    for span in spans:
        assert span.begin <= span.end
        if span.parent:
            assert by_id[span.parent].begin <= span.begin + CLOCK, (span, by_id[span.parent])
    heard = [span for span in spans if span.name == "stt job"]
    assert heard
    assert {span.parent for span in heard} == {root.id}
    for job in heard:
        wait, decode, commit = (_part(spans, job, name) for name in ("wait", "decode", "commit"))
        assert wait.end <= decode.begin <= decode.end <= commit.begin <= commit.end <= job.end
    last = max(heard, key=lambda job: job.end)
    assert _part(spans, last, "decode").end <= root.end
    [translation] = [span for span in spans if span.name == "translate job"]
    source = by_id[translation.parent]
    assert source.name == "stt job"
    parts = [_part(spans, translation, name) for name in ("wait", "translate", "commit")]
    assert _part(spans, source, "decode").end <= parts[0].begin + CLOCK
    assert [part.begin for part in parts] == sorted(part.begin for part in parts)
    assert not any(span.failed for span in spans)


def _part(spans: list[SeenSpan], job: SeenSpan, name: str) -> SeenSpan:
    [part] = [span for span in spans if span.parent == job.id and span.name == name]
    assert part.service == job.service
    return part


@pytest.mark.timeout(900)
async def test_a_pipeline_works_without_its_collector(world: World, clips: dict[int, list[Clip]]) -> None:
    """A collector that is not there costs no caption; each process says so once at most, and ends as ever."""
    away = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{free_port()}", "OTEL_BSP_SCHEDULE_DELAY": "100"}
    world.add_gateway(**away)
    world.add_stt(**away)
    world.add_translate(**away)
    await world.start()
    await hear_out(world, caller_of(world, clips))
    for service in world.services:
        log = (world.directory / f"{service.name}.log").read_text()
        assert log.count("traces_lost") <= 1
        assert "opentelemetry" not in log
