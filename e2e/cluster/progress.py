"""Waiting for conditions, out loud."""

import time
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")

POLL_SECONDS = 1.0
SAY_EVERY_SECONDS = 15.0
SAY_CHARACTERS = 300

_sinks: list[Callable[[str], None]] = []


def listen(sink: Callable[[str], None]) -> None:
    """Let ``sink`` have every line from now on."""
    _sinks.append(sink)


def say(line: str) -> None:
    """Tell whoever watches the suite."""
    stamped = f"{time.strftime('%H:%M:%S')} {line}"
    for sink in _sinks:
        sink(stamped)


def until(probe: Callable[[], _T | None], what: str, seconds: float, state: Callable[[], object] | None = None) -> _T:
    """Wait until ``probe`` gives something that counts as true, and return it.

    Args:
        probe: looked at about once a second.
        what: completes "waiting for ...".
        seconds: deadline; generous, since a slow machine is no failure.
        state: what to say besides, also while it lasts.

    Raises:
        AssertionError: it did not come about in time.
    """
    began = said = time.monotonic()
    while not (found := probe()):
        now = time.monotonic()
        if now - began > seconds:
            more = f"; {state()}" if state else ""
            raise AssertionError(f"waited {seconds:g} s in vain for {what}{more}")
        if now - said > SAY_EVERY_SECONDS:
            said = now
            more = f": {state()}" if state else ""
            say(f"  waiting for {what} ({now - began:.0f} of {seconds:g} s){more}"[:SAY_CHARACTERS])
        time.sleep(POLL_SECONDS)
    say(f"  {what}: {time.monotonic() - began:.0f} s")
    return found
