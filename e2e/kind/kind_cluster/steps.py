"""Runs the programs of a step: output to a log, a line of progress every 20 s, the log's end where one fails."""

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import IO

PROGRESS_SECONDS = 20.0
TAIL_LINES = 30


class StepError(RuntimeError):
    """A step failed; the message says which, how, and where its log is."""


def say(line: str) -> None:
    """Progress goes to stderr: stdout is for what was asked for."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


@contextlib.contextmanager
def step(title: str) -> Iterator[None]:
    """Say what begins, and how long it took once it is done."""
    say(f"== {title}")
    began = time.monotonic()
    yield
    say(f"   {title}: {time.monotonic() - began:.0f} s")


class Beside:
    """Something that goes on in a thread; nobody waits for it where what it goes on beside has failed."""

    def __init__(self, does: Callable[[], None]) -> None:
        self._future: Future[None] = Future()
        self._does = does
        threading.Thread(target=self._run, daemon=True).start()

    def result(self) -> None:
        """Wait for its end. Raises what it raised."""
        self._future.result()

    def _run(self) -> None:
        try:
            self._does()
        except Exception as error:  # noqa: BLE001 - it is for whoever asks for the result
            self._future.set_exception(error)
        else:
            self._future.set_result(None)


def run(
    command: Sequence[str],
    log: Path,
    env: Mapping[str, str] | None = None,
    stdin: IO[bytes] | None = None,
) -> None:
    """Run a program to its end, its output appended to ``log``.

    Args:
        command: the argument list.
        log: file; its folder is made.
        env: variables to set besides this process' own.
        stdin: what the program reads; nothing unless given.

    Raises:
        StepError: it exited with another status than 0.
    """
    began = time.monotonic()
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        output.write(f"$ {' '.join(command)}\n".encode())
        output.flush()
        process = subprocess.Popen(
            command, env={**os.environ, **(env or {})}, stdin=stdin or subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        while process.poll() is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(PROGRESS_SECONDS)
                break
            (last,) = tail(log, 1)
            say(f"   {time.monotonic() - began:.0f} s: {'no output yet' if last.startswith('$ ') else last[:120]}")
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()
    if process.returncode:
        shown = "\n".join(tail(log, TAIL_LINES))
        raise StepError(f"{command[0]} exited with status {process.returncode}; the end of {log}:\n{shown}")


def ask(command: Sequence[str], env: Mapping[str, str] | None = None, stdin: str | None = None) -> str:
    """What a short program prints on stdout.

    Raises:
        StepError: it exited with another status than 0; the message holds what it said on stderr.
    """
    done = subprocess.run(
        command, env={**os.environ, **(env or {})}, input=stdin, capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = (done.stderr or done.stdout).strip()
        raise StepError(f"{' '.join(command)} exited with status {done.returncode}: {said}")
    return done.stdout


def tail(log: Path, lines: int) -> list[str]:
    """The last lines of a log that are not empty; carriage returns of progress bars count as line ends."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 64_000))
        text = file.read().decode(errors="replace")
    return [line for line in text.splitlines() if line.strip()][-lines:]


def wait_until(what: str, seconds: float, check: Callable[[], bool], every: float = 0.5) -> None:
    """Ask until ``check`` says yes.

    Args:
        what: completes "gave up waiting for ...".
        seconds: how long at most.
        check: returns True when it holds; what it raises goes through.
        every: seconds between two questions.

    Raises:
        StepError: the time is over.
    """
    began = spoke = time.monotonic()
    while not check():
        now = time.monotonic()
        if now - began > seconds:
            raise StepError(f"gave up waiting for {what} after {seconds:.0f} s")
        if now - spoke > PROGRESS_SECONDS:
            spoke = now
            say(f"   {now - began:.0f} s: waiting for {what}")
        time.sleep(every)
