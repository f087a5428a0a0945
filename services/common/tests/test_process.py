"""The frame of a process: signals and exit status, on real processes."""

import signal
import subprocess
import sys

import pytest

from speechpipe_common.process import instance_name

PROGRAM = """
import asyncio, sys
from speechpipe_common import logs
from speechpipe_common.process import run

async def main(stop):
    print("up", flush=True)
    {body}

logs.configure(component="test", instance_id="t", form="json")
sys.exit(run(main))
"""


def started(body: str) -> "subprocess.Popen[str]":
    """A process in the frame, after its main function began."""
    command = [sys.executable, "-c", PROGRAM.format(body=body)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "up\n"
    return process


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_first_signal_asks_to_stop(number):
    """SIGTERM and SIGINT let main end in good order, with status 0."""
    process = started("await stop.wait(); print('drained', flush=True)")
    process.send_signal(number)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (0, "drained\n")
    assert '"event": "stopping"' in err


def test_second_signal_ends_at_once():
    """Who asks twice means it."""
    process = started("await stop.wait(); print('draining', flush=True); await asyncio.Event().wait()")
    process.terminate()
    assert process.stdout.readline() == "draining\n"
    process.terminate()
    assert process.wait(timeout=120) == 128 + signal.SIGTERM
    process.communicate()


def test_failure_is_logged_and_told_by_the_status():
    """An exception in main is one log line with its traceback, and status 1."""
    process = started("raise ValueError('no model')")
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert '"event": "process_failed"' in err
    assert "ValueError: no model" in err


def test_instance_names_differ_unless_given():
    """Two starts of a component have different names; a given name is kept."""
    assert instance_name("stt") != instance_name("stt")
    assert instance_name("stt", "stt-0") == "stt-0"
