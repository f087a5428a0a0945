"""A command that is run for somebody gets the signals that were meant for it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

SECONDS = 60
RUN = "import os, sys; from kind_cluster.following import follow; sys.exit(follow(sys.argv[1:], os.environ))"
TIDY = 'trap "echo tidied; exit 7" {name}; echo begun; while :; do sleep 0.05; done'


def followed(*command: str) -> "subprocess.Popen[str]":
    """A process that follows a command."""
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    return subprocess.Popen((sys.executable, "-c", RUN, *command), env=env, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("name", ["INT", "TERM"])
def test_a_signal_is_passed_on_and_the_end_waited_for(name: str) -> None:
    """One that is sent to us alone lets the command tidy up, and its status is ours."""
    with followed("sh", "-c", TIDY.format(name=name)) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.Signals[f"SIG{name}"])
        rest, _ = process.communicate(timeout=SECONDS)
    assert (rest, process.returncode) == ("tidied\n", 7)


def test_what_the_command_has_started_gets_it_too() -> None:
    """Nothing of it goes on when it has ended: the output's other end is closed."""
    with followed("sh", "-c", "sleep 1000 & echo begun; wait") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.terminate()
        process.communicate(timeout=SECONDS)
    assert process.returncode == 128 + signal.SIGTERM
