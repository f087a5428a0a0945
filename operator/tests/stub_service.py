"""A small real service for tests of the runner: answers /ready, and misbehaves as its environment says.

PORT: where it listens. SLOW_SECONDS: not ready for so long. FAIL_STATUS: ends at once with this status. DEAF: ignores
SIGTERM. GRANDCHILD: starts a process of its own that ignores SIGTERM and holds the output open. TRACE: a file that gets
a line at start and end.
"""

import os
import signal
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

NAME = os.environ["NAME"]
BEGAN = time.monotonic()


class Handler(BaseHTTPRequestHandler):
    """GET /ready says 200, or 503 with a reason while it is slow."""

    def do_GET(self) -> None:
        """Answer."""
        slow = time.monotonic() - BEGAN < float(os.environ.get("SLOW_SECONDS", "0"))
        self.send_response(503 if slow else 200)
        self.end_headers()
        self.wfile.write(b'{"ready": false, "reasons": {"model": "loading the model"}}' if slow else b"{}")

    def log_message(self, *_: object) -> None:
        """Requests are no news."""


def trace(what: str) -> None:
    """Append a line that the test reads."""
    if "TRACE" in os.environ:
        with Path(os.environ["TRACE"]).open("a") as file:
            file.write(f"{NAME} {what}\n")


def end(*_: object) -> None:
    """SIGTERM: say so and end."""
    trace("stops")
    os._exit(0)


def main() -> None:
    """Serve until ended."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN if "DEAF" in os.environ else end)
    if "GRANDCHILD" in os.environ:
        code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
        subprocess.Popen([sys.executable, "-c", code])
    trace("starts")
    sys.stderr.write(f"{NAME} says hello\n")
    if "FAIL_STATUS" in os.environ:
        sys.stdout.write(f"{NAME} can't go on\n")
        sys.exit(int(os.environ["FAIL_STATUS"]))
    ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()


if __name__ == "__main__":
    main()
