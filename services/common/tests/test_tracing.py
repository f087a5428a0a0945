"""Spans as a real collector gets them, and what recording costs when nobody takes them."""

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from speechpipe_common.settings import ServiceSettings
from speechpipe_common.testing import eventually, free_port
from speechpipe_common.testing_traces import Collector
from speechpipe_common.tracing import NOTHING, Tracing, open_tracing

CONTEXT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture(autouse=True)
def sent_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches go out after a tenth of a second, and a request that fails is given up soon."""
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A collector that listens."""
    with Collector() as made:
        yield made


def tracing_to(url: str) -> Tracing:
    """What the STT worker w-1 records with, its endpoint set."""
    return open_tracing(ServiceSettings(otel_exporter_otlp_endpoint=url), "stt", "w-1")


def test_without_an_endpoint_nothing_is_loaded() -> None:
    """No endpoint: spans cost nothing, and neither the SDK's tracing nor the exporter is imported by a worker."""
    program = """
import sys, threading
from speechpipe_common.consumer import serve_worker
from speechpipe_common.settings import ServiceSettings
from speechpipe_common.tracing import NOTHING, open_tracing
tracing = open_tracing(ServiceSettings(), "stt", "w-1")
assert tracing.begin("a") is NOTHING and tracing.follow("b", "00-%s-%s-01" % ("1" * 32, "2" * 16)) is NOTHING
loaded = [name for name in sys.modules if name.startswith(("opentelemetry.sdk.trace", "opentelemetry.exporter"))]
assert loaded == [], loaded
assert threading.active_count() == 1
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120, env={"PATH": ""})


@pytest.mark.parametrize(
    ("given", "endpoint"),
    [
        ({}, ""),
        ({"otel_exporter_otlp_endpoint": "http://c:4318"}, "http://c:4318/v1/traces"),
        ({"otel_exporter_otlp_endpoint": "https://c/otlp/"}, "https://c/otlp/v1/traces"),
        ({"otel_exporter_otlp_traces_endpoint": "http://c/in"}, "http://c/in"),
        (
            {"otel_exporter_otlp_endpoint": "http://a", "otel_exporter_otlp_traces_endpoint": "http://b/in"},
            "http://b/in",
        ),
        ({"otel_exporter_otlp_endpoint": "http://c:4318", "otel_sdk_disabled": True}, ""),
    ],
)
def test_where_traces_go(given: dict[str, str], endpoint: str) -> None:
    """The base URL gets the path of OTLP, that of traces is taken as it is, and the SDK's switch turns all off."""
    assert ServiceSettings.model_validate(given).traces_endpoint == endpoint


@pytest.mark.parametrize("url", ["collector:4318", "grpc://c:4317", "http://me:secret@c:4318", "http://"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    """What is no http address, or holds a password, does not start the process."""
    with pytest.raises(ValueError, match="pattern"):
        ServiceSettings(otel_exporter_otlp_endpoint=url)


async def test_spans_arrive_as_they_were(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names, times, parents, events, links, failures and attributes reach the collector, with who recorded them."""
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "speechpipe.pipeline=captions,k8s.namespace.name=speech")
    tracing = tracing_to(collector.url)
    root = tracing.begin("utterance", at=100.0, session="s", segment=7)
    root.event("candidate", rev=3)
    other = tracing.follow("stt job", CONTEXT, at=100.25)
    with root.child("decode", links=[other.context], batch=2) as child:
        child.note(outcome="final")
    with pytest.raises(ValueError, match="hello"), root.child("commit"):
        raise ValueError("hello, a text that was said")
    root.end(102.0)
    root.end(103.0)
    root.event("too late")
    other.end()
    await tracing.close()
    spans = {span.name: span for span in collector.spans}
    seen = spans["utterance"]
    assert (seen.begin, seen.end, seen.parent, seen.events) == (100.0, 102.0, "", ("candidate",))
    assert seen.attributes == {"speechpipe.session": "s", "speechpipe.segment": 7}
    version, trace, span, flags = root.context.split("-")
    assert (version, trace, span, int(flags, 16) & 1) == ("00", seen.trace, seen.id, 1)
    decode, job, commit = spans["decode"], spans["stt job"], spans["commit"]
    assert (decode.trace, decode.parent, decode.links) == (seen.trace, seen.id, (job.id,))
    assert decode.attributes == {"speechpipe.batch": 2, "speechpipe.outcome": "final"}
    assert (job.trace, job.parent) == (CONTEXT[3:35], CONTEXT[36:52])
    assert (commit.failed, decode.failed) == (True, False)
    assert seen.resource["service.name"] == "speechpipe-stt"
    assert seen.resource["service.instance.id"] == "w-1"
    assert seen.resource["speechpipe.pipeline"] == "captions"
    assert not any(b"hello" in body for body in collector.raw)


async def test_the_service_may_be_named(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    """OTEL_SERVICE_NAME goes before our own name."""
    monkeypatch.setenv("OTEL_SERVICE_NAME", "ears")
    tracing = tracing_to(collector.url)
    tracing.begin("utterance").end()
    await tracing.close()
    assert [span.service for span in collector.spans] == ["ears"]


@pytest.mark.parametrize("context", ["", "x", CONTEXT[:-1], "00-" + "0" * 32 + "-b7ad6b7169203331-01", "ü" * 55])
async def test_a_context_that_is_none_is_followed_by_nothing(context: str, collector: Collector) -> None:
    """A worker begins no trace of its own, whatever stands beside a job."""
    tracing = tracing_to(collector.url)
    assert tracing.follow("stt job", context) is NOTHING
    await tracing.close()


async def test_what_is_not_sampled_is_not_passed_on(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a sampler that takes none, a span has no context, so that no worker records a part of it."""
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0")
    tracing = tracing_to(collector.url)
    assert tracing.begin("utterance").context == ""
    assert tracing.follow("stt job", CONTEXT) is not NOTHING, "what the gateway has sampled, its workers record"
    await tracing.close()


async def test_a_collector_that_is_away_is_said() -> None:
    """Nobody listens at the endpoint: a warning says so, with the reason, and ending does not wait for it."""
    with capture_logs() as logs:
        tracing = tracing_to(f"http://127.0.0.1:{free_port()}")
        tracing.begin("utterance").end()
        await eventually(lambda: logs, "the warning")
        await tracing.close()
    assert logs[0]["event"] == "traces_lost"
    assert logs[0]["reason"]


async def test_a_collector_that_refuses_is_said_once(collector: Collector) -> None:
    """However many batches a collector answers with 400, there is one warning that says so, and one line once it takes
    spans again.
    """
    collector.status = 400
    with capture_logs() as logs:
        tracing = tracing_to(collector.url)

        def refused() -> bool:
            tracing.begin("utterance").end()
            return collector.requests >= 3

        def returned() -> bool:
            tracing.begin("utterance").end()
            return any(entry["event"] == "traces_sent_again" for entry in logs)

        await eventually(refused, "three batches to be refused")
        collector.status = 200
        await eventually(returned, "batches to be taken")
        await tracing.close()
    assert [entry["event"] for entry in logs] == ["traces_lost", "traces_sent_again"]
    assert "400" in logs[0]["reason"]


async def test_a_collector_that_hangs_holds_up_nothing(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a request hangs, spans begin and end without waiting, no more of them are kept than the queue holds, and
    the process may end.
    """
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "300")
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "100")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "50")
    collector.may_answer.clear()
    tracing = tracing_to(collector.url)
    tracing.begin("first").end()
    await eventually(lambda: collector.requests, "a request that hangs")
    for _ in range(5_000):
        tracing.begin("utterance").end()
    assert collector.requests == 1, "nothing waited for the answer, and nobody asked again"
    await tracing.close()
    assert not collector.spans
    collector.may_answer.set()
    await eventually(lambda: collector.named("first"), "the first span")
    assert len(collector.named("utterance")) <= 100


def test_the_sdk_says_nothing_for_each_span() -> None:
    """A process whose collector is away logs one line about it, and none of the SDK's for each span or request."""
    program = f"""
import asyncio
from speechpipe_common.logs import configure
from speechpipe_common.settings import ServiceSettings
from speechpipe_common.tracing import open_tracing
configure(component="stt", instance_id="w-1", form="json")

async def main():
    tracing = open_tracing(ServiceSettings(otel_exporter_otlp_endpoint="http://127.0.0.1:{free_port()}"), "stt", "w-1")
    for _ in range(10_000):
        tracing.begin("utterance").end()
    await tracing.close()

asyncio.run(main())
"""
    ended = subprocess.run([sys.executable, "-c", program], check=True, timeout=120, capture_output=True, text=True)
    lines = [json.loads(line)["event"] for line in ended.stderr.splitlines()]
    assert lines in (["traces_lost"], []), "the process may end before the first request has failed"
