"""Runs a command to its end, whatever signals come meanwhile."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import FrameType

PASSED_ON = (signal.SIGINT, signal.SIGTERM)


def follow(command: Sequence[str], env: Mapping[str, str]) -> int:
    """Run a command and wait for it; interrupts go on to all of it, and it is waited for all the same.

    It has a process group of its own: what a terminal sends to the whole of ours would reach it twice.

    Returns:
        Its exit status; 128 and the signal's number where one has ended it, as a shell says.
    """
    process: subprocess.Popen[bytes] | None = None
    early: list[int] = []

    def pass_on(number: int, frame: FrameType | None) -> None:
        if process is None:
            early.append(number)
            return
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)

    before = {number: signal.signal(number, pass_on) for number in PASSED_ON}
    try:
        process = subprocess.Popen(command, env=dict(env), process_group=0)
        for number in early:
            pass_on(number, None)
        status = process.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return status if status >= 0 else 128 - status
