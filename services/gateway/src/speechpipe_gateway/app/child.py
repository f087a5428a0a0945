"""One of the processes of a gateway; started by :mod:`~speechpipe_gateway.app.processes`, with its environment.

Standard output gets one line, the health port; standard input gets nothing, and ends with the parent.
"""

import asyncio
import sys

import speechpipe_common.early  # noqa: F401 - before what takes long
from speechpipe_common import process
from speechpipe_common.settings import load
from speechpipe_gateway.app.main import NEW_LOOP, prepare, serve
from speechpipe_gateway.settings import GatewaySettings


def main() -> None:
    """Serve until SIGTERM or the end of the parent, and exit with the process's status."""
    settings = load(GatewaySettings, [])
    instance = prepare(settings)
    sys.exit(process.run(lambda stop: _serve(settings, instance, stop), NEW_LOOP))


async def _serve(settings: GatewaySettings, instance: str, stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: _Parent(stop), sys.stdin)
    await serve(settings, instance, stop, shared=True, on_health=_tell)


class _Parent(asyncio.Protocol):
    """The other end of standard input."""

    def __init__(self, stop: asyncio.Event) -> None:
        self._stop = stop

    def connection_lost(self, _error: Exception | None) -> None:
        """The parent is gone: whoever restarts it wants the port."""
        self._stop.set()


def _tell(health_port: int) -> None:
    sys.stdout.write(f"{health_port}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
