"""Spans that are recorded, and sent to a collector by a thread of the SDK from a queue with a bound."""

import asyncio
import logging
import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http import trace_exporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from speechpipe_common.logs import get_logger
from speechpipe_common.tracing.spans import NOTHING, Attribute, Span, Tracing

CLOSE_SECONDS: Final = 2.0
PREFIX: Final = "speechpipe."
"""Before every attribute of ours."""

_HEADER: Final = "traceparent"
_PROPAGATOR: Final = TraceContextTextMapPropagator()
_log = get_logger(__name__)


class Recorder(Tracing):
    """Records spans and sends them to ``endpoint``.

    Args:
        endpoint: whole URL that takes OTLP over HTTP.
        service: name of the service, unless ``OTEL_SERVICE_NAME`` or ``OTEL_RESOURCE_ATTRIBUTES`` has one.
        instance: name of this process.
    """

    on = True

    def __init__(self, endpoint: str, service: str, instance: str) -> None:
        named = Resource({"service.name": service, "service.instance.id": instance}).merge(
            OTELResourceDetector().detect()
        )
        self._provider = TracerProvider(resource=Resource.create().merge(named), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(_Announcing(endpoint)))
        self._tracer = self._provider.get_tracer("speechpipe")

    def begin(self, name: str, *, at: float | None = None, **attributes: Attribute) -> Span:
        """Begin a trace, where the sampler takes it."""
        return _begun(self._tracer, name, trace.set_span_in_context(trace.INVALID_SPAN), at, (), attributes)

    def follow(self, name: str, context: str, *, at: float | None = None, **attributes: Attribute) -> Span:
        """Begin a span under the one of ``context``; without one that can be read, nothing is recorded."""
        parent = _parent(context)
        if not parent.is_valid:
            return NOTHING
        around = trace.set_span_in_context(trace.NonRecordingSpan(parent))
        return _begun(self._tracer, name, around, at, (), attributes)

    async def close(self) -> None:
        """Send what is recorded, for two seconds at most: a collector that is away must not hold up the end."""
        done: Future[None] = Future()

        def shut() -> None:
            self._provider.shutdown()
            with suppress(InvalidStateError, RuntimeError):
                done.set_result(None)

        threading.Thread(target=shut, name="traces", daemon=True).start()
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await asyncio.wrap_future(done)


class _Recorded(Span):
    def __init__(self, tracer: trace.Tracer, span: trace.Span) -> None:
        self._tracer = tracer
        self._span = span
        self._ended = False
        carrier: dict[str, str] = {}
        _PROPAGATOR.inject(carrier, trace.set_span_in_context(span))
        self.context = carrier[_HEADER]

    def child(self, name: str, *, at: float | None = None, links: Iterable[str] = (), **attributes: Attribute) -> Span:
        around = trace.set_span_in_context(self._span)
        return _begun(self._tracer, name, around, at, [trace.Link(_parent(link)) for link in links], attributes)

    def event(self, name: str, **attributes: Attribute) -> None:
        if not self._ended:
            self._span.add_event(name, _named(attributes))

    def note(self, **attributes: Attribute) -> None:
        if not self._ended:
            self._span.set_attributes(_named(attributes))

    def fail(self, reason: str) -> None:
        if not self._ended:
            self._span.set_status(trace.StatusCode.ERROR, reason)

    def end(self, at: float | None = None) -> None:
        if not self._ended:
            self._ended = True
            self._span.end(_nanoseconds(at))


def _begun(
    tracer: trace.Tracer,
    name: str,
    around: Context,
    at: float | None,
    links: Sequence[trace.Link],
    attributes: Mapping[str, Attribute],
) -> Span:
    span = tracer.start_span(
        name, around, attributes=_named(attributes), links=links, start_time=_nanoseconds(at), record_exception=False
    )
    return _Recorded(tracer, span) if span.is_recording() else NOTHING


def _parent(context: str) -> trace.SpanContext:
    found = _PROPAGATOR.extract({_HEADER: context})
    return trace.get_current_span(found).get_span_context()


def _named(attributes: Mapping[str, Attribute]) -> dict[str, Attribute]:
    return {PREFIX + name: value for name, value in attributes.items()}


def _nanoseconds(at: float | None) -> int | None:
    return None if at is None else int(at * 1e9)


class _Announcing(SpanExporter):
    """Says once that the collector takes nothing, and once that it does again, instead of once for each batch."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._reason = _LastMessage()
        said_by = logging.getLogger(trace_exporter.__name__)
        said_by.handlers, said_by.propagate = [self._reason], False
        # It says for each span that the queue is full, which it is while the collector is away.
        logging.getLogger("opentelemetry.sdk._shared_internal").setLevel(logging.CRITICAL)
        self._inner = trace_exporter.OTLPSpanExporter(endpoint)
        self._failing = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._inner.export(spans)
        failed = result is not SpanExportResult.SUCCESS
        if failed and not self._failing:
            reason = self._reason.said or "it did not take them"
            _log.warning("traces_lost", endpoint=self._endpoint, reason=reason)
        elif self._failing and not failed:
            _log.info("traces_sent_again", endpoint=self._endpoint)
        self._failing = failed
        return result

    def shutdown(self) -> None:
        self._inner.shutdown()  # type: ignore[no-untyped-call]  # of the SDK's

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._inner.force_flush(timeout_millis)


class _LastMessage(logging.Handler):
    """Keeps what the exporter said last."""

    said = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.said = record.getMessage()
