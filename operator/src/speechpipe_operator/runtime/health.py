"""``/health``, ``/ready`` and ``/metrics``, served by a thread of their own: they answer, and tell the truth, also when
the event loop does not.
"""

import json
import threading
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from speechpipe_common.health import HealthPortError

Answer = tuple[int, str, bytes]

START_SECONDS: Final = 60.0
"""A heart that has not beaten yet is given this long besides."""


class Heart:
    """Something that must go on: whoever does it calls ``beat``, from any thread.

    Args:
        name: what it is, in words: ``the event loop``.
        limit: seconds without a beat after which it has stalled.
        clock: monotonic seconds.
    """

    def __init__(self, name: str, limit: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.name = name
        self._limit = limit
        self._clock = clock
        self._last = clock() + START_SECONDS

    def beat(self) -> None:
        """It goes on."""
        self._last = self._clock()

    def trouble(self) -> str | None:
        """Why it is not well; None when it is."""
        silent = self._clock() - self._last
        return f"{self.name} has not moved for {silent:.0f} s" if silent > self._limit else None


class Wellness:
    """What the three paths say. The loop sets it, the server's thread reads it; every value is replaced, never changed.

    Args:
        registry: what ``/metrics`` shows.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.hearts: tuple[Heart, ...] = ()
        self.busy: Callable[[], str | None] = lambda: None
        """Says what is stuck besides; must be safe to call from any thread."""
        self.not_ready: str | None = "starting"
        """Why this process can't do its work at all; None: it does, or stands by and could at once."""
        self.state = "standby"
        self.missing: tuple[str, ...] = ()
        """Sentences: what the operator lacks, and goes on without."""

    def health(self) -> Answer:
        """Whether the process should live on."""
        troubles = [trouble for heart in self.hearts if (trouble := heart.trouble())]
        troubles += [stuck] if (stuck := self.busy()) else []
        return _json(503 if troubles else 200, {"status": "stalled" if troubles else "healthy", "reasons": troubles})

    def ready(self) -> Answer:
        """Whether it does its work, or could at once."""
        reasons = [self.not_ready] if self.not_ready else []
        body = {"ready": not reasons, "reasons": reasons, "state": self.state, "missing": list(self.missing)}
        return _json(503 if reasons else 200, body)

    def metrics(self) -> Answer:
        """Prometheus' text format."""
        return 200, CONTENT_TYPE_LATEST, generate_latest(self.registry)


class HealthThread:
    """Serves ``wellness`` until closed.

    Args:
        wellness: what to say.
        host: address to listen on.
        port: 0 takes a free one.

    Raises:
        HealthPortError: the port is taken or forbidden.
    """

    def __init__(self, wellness: Wellness, host: str, port: int) -> None:
        paths = {"/health": wellness.health, "/ready": wellness.ready, "/metrics": wellness.metrics}
        handler = type("Handler", (_Handler,), {"paths": paths})
        try:
            self._server = ThreadingHTTPServer((host, port), handler)
        except OSError as error:
            raise HealthPortError(
                f"HEALTH_PORT {port} on {host} cannot be opened ({error.strerror or error}): "
                "stop what listens there, or set HEALTH_PORT to another port"
            ) from error
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="health", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._server.server_port

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    paths: Mapping[str, Callable[[], Answer]] = {}
    timeout = 10

    def do_GET(self) -> None:
        answer = self.paths.get(self.path.partition("?")[0])
        status, kind, body = answer() if answer else _json(404, {"error": "paths are /health, /ready and /metrics"})
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Probes are not worth a line."""


def _json(status: int, body: dict[str, Any]) -> Answer:
    return status, "application/json", json.dumps(body).encode()
