"""One server process of a control plane: started, awaited, killed, restarted; its log in a file."""

import contextlib
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from speechpipe_operator.local.guard import Guard, kill_group

START_SECONDS = 60.0
"""Generous: an API server takes 3 s, on a busy machine with two cores up to 20."""
STOP_SECONDS = 4.0
"""Grace of a SIGTERM. With a watch open an API server would drain for 60 s, etcd for 7."""
KILL_SECONDS = 30.0
POLL_SECONDS = 0.05
TAIL_LINES = 15


class Server:
    """A process with a log and a question that it answers when it is ready. Not for use from two threads at once.

    Args:
        argv: the command line; it stays the same over restarts, ports and data folder too.
        log: file that stdout and stderr are appended to.
        ready: True once it serves; it may raise OSError while it does not.
        guard: ends it when the test process dies, even by SIGKILL.
    """

    def __init__(self, name: str, argv: Sequence[str], log: Path, ready: Callable[[], bool], guard: Guard) -> None:
        self.name = name
        self.log = log
        self._argv = tuple(argv)
        self._ready = ready
        self._guard = guard
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Process id.

        Raises:
            RuntimeError: it is not running.
        """
        if self._process is None:
            raise RuntimeError(f"{self.name} is not running")
        return self._process.pid

    @property
    def running(self) -> bool:
        """Started, and not ended since."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it, without waiting for it; nothing happens when it runs already."""
        if self.running:
            return
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            # A session of its own: Ctrl-C goes to the test runner, which then ends its servers in order.
            self._process = subprocess.Popen(  # noqa: S603 - our own arguments
                self._argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self._guard.watch(self._process.pid)

    def wait_until_ready(self) -> None:
        """Wait until it serves.

        Raises:
            RuntimeError: it ended, or did not answer in time; the message holds the end of its log.
        """
        deadline = time.monotonic() + START_SECONDS
        while self.running and time.monotonic() < deadline:
            try:
                if self._ready():
                    return
            except OSError:  # URLError too
                pass
            time.sleep(POLL_SECONDS)
        ended = "is not ready" if self.running else "ended"
        raise RuntimeError(f"{self.name} {ended} (log: {self.log}):\n{self.tail()}")

    def kill(self) -> None:
        """End it as a crash would (SIGKILL), paused or not; nothing happens when it is not running."""
        process, self._process = self._process, None
        if process is None:
            return
        kill_group(process.pid)
        process.wait(KILL_SECONDS)
        self._guard.forget(process.pid)

    def stop(self) -> None:
        """End it in good order (SIGTERM), by SIGKILL where that takes longer than 4 s."""
        if self._process is not None and self.running:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_SECONDS)
        self.kill()

    def pause(self) -> None:
        """Keep it from answering (SIGSTOP) while its connections stay open."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused server go on."""
        self._signal(signal.SIGCONT)

    def tail(self) -> str:
        """The last lines of its log."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-TAIL_LINES:])

    def _signal(self, number: signal.Signals) -> None:
        if self._process is None:
            raise RuntimeError(f"{self.name} is not running")
        self._process.send_signal(number)


def free_ports(count: int) -> list[int]:
    """Different TCP ports on loopback that nobody listens on at this moment."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for probe in sockets:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in sockets]
    finally:
        for probe in sockets:
            probe.close()
