"""A collector of traces for tests: takes OTLP over HTTP on loopback and shows the spans that came."""

import gzip
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1 import trace_pb2


@dataclass(frozen=True)
class SeenSpan:
    """A span as it came; times are unix seconds, ids are hex."""

    name: str
    trace: str
    id: str
    parent: str
    """Empty for the root of a trace."""
    begin: float
    end: float
    attributes: dict[str, Any]
    resource: dict[str, Any]
    events: tuple[str, ...]
    links: tuple[str, ...]
    """Span ids."""
    failed: bool

    @property
    def service(self) -> str:
        """``service.name``."""
        return str(self.resource["service.name"])


@dataclass
class Collector:
    """Listens from entering on; a context manager.

    Attributes:
        status: what it answers.
        may_answer: requests wait for it.
    """

    status: int = 200
    may_answer: threading.Event = field(default_factory=threading.Event)
    requests: int = 0
    spans: list[SeenSpan] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    """Bodies, to look for what must not be in them."""

    def __enter__(self) -> Self:
        self.may_answer.set()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.may_answer.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """For ``OTEL_EXPORTER_OTLP_ENDPOINT``."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def traces(self) -> dict[str, list[SeenSpan]]:
        """What came, by trace."""
        found: dict[str, list[SeenSpan]] = defaultdict(list)
        for span in list(self.spans):
            found[span.trace].append(span)
        return dict(found)

    def named(self, name: str) -> list[SeenSpan]:
        """Spans of that name."""
        return [span for span in list(self.spans) if span.name == name]

    def _take(self, body: bytes) -> None:
        self.raw.append(body)
        self.spans += _spans(ExportTraceServiceRequest.FromString(body))

    def _handler(collector) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                collector.requests += 1
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.may_answer.wait(60)
                if collector.status == 200 and self.path == "/v1/traces":
                    zipped = self.headers.get("Content-Encoding") == "gzip"
                    collector._take(gzip.decompress(body) if zipped else body)
                with suppress(OSError):
                    self.send_response(collector.status if self.path == "/v1/traces" else 404)
                    self.send_header("Content-Length", "0")
                    self.end_headers()

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        return Handler


def _spans(request: ExportTraceServiceRequest) -> Iterator[SeenSpan]:
    for group in request.resource_spans:
        resource = {pair.key: _value(pair.value) for pair in group.resource.attributes}
        for scope in group.scope_spans:
            for span in scope.spans:
                yield SeenSpan(
                    name=span.name,
                    trace=span.trace_id.hex(),
                    id=span.span_id.hex(),
                    parent=span.parent_span_id.hex(),
                    begin=span.start_time_unix_nano / 1e9,
                    end=span.end_time_unix_nano / 1e9,
                    attributes={pair.key: _value(pair.value) for pair in span.attributes},
                    resource=resource,
                    events=tuple(event.name for event in span.events),
                    links=tuple(link.span_id.hex() for link in span.links),
                    failed=span.status.code == trace_pb2.Status.STATUS_CODE_ERROR,
                )


def _value(value: AnyValue) -> Any:  # noqa: ANN401 - an attribute
    kind = value.WhichOneof("value")
    return getattr(value, kind) if kind else None
