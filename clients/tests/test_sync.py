"""Sessions without async, against a scripted gateway that runs on a loop of its own."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile
from peer import DEADLINE, Caller, Peer, Script, final, gateway

from speechpipe_client import AudioFile, AuthenticationError, Back, Event, Final, Limits, Lost, SessionEnded, sync
from speechpipe_client.background import Background
from speechpipe_common import wire

PCM = bytes(range(256)) * 100


@contextmanager
def serving(*scripts: Script) -> Iterator[Peer]:
    """A scripted gateway on a thread."""
    made = gateway(*scripts)
    with Background() as background:
        peer = background.run(made.__aenter__())
        try:
            yield peer
        finally:
            background.run(made.__aexit__(None, None, None))


async def hear_all(caller: Caller) -> None:
    """Take everything, and say what was heard."""
    await caller.welcome()
    await caller.hear(wire.Stop)
    await caller.say(final("0", f"{len(caller.audio)} bytes", "1-0"))
    await caller.socket.close(1000)


def texts(events: Iterator[Event]) -> list[str]:
    """Of the finals."""
    return [event.text for event in events if isinstance(event, Final)]


def speechpipe_threads() -> list[str]:
    """Threads with a loop of the library that still run."""
    return [thread.name for thread in threading.enumerate() if thread.name == "speechpipe"]


def test_a_session_sends_and_yields_the_same_events():
    """send, stop, iterate: the same typed events as in the asynchronous library; nothing is left running."""
    with serving(hear_all) as peer:
        with sync.connect(peer.url, language="en") as session:
            session.send(PCM)
            session.set_languages("de", "en")
            session.flush()
            session.stop()
            assert texts(iter(session)) == [f"{len(PCM)} bytes"]
            assert session.session_id == "s"
            assert session.next_event() is None
        assert [type(message) for message in peer.callers[0].messages] == [
            wire.SetLangs,
            wire.Start,
            wire.SetLangs,
            wire.Flush,
            wire.Stop,
        ]
        with pytest.raises(SessionEnded, match="was closed"):
            session.send(PCM)
    assert speechpipe_threads() == []


def test_one_thread_sends_while_another_reads():
    """A session may be fed by one thread and read by another."""
    with serving(hear_all) as peer, sync.connect(peer.url) as session, ThreadPoolExecutor(1) as pool:
        reading = pool.submit(lambda: texts(iter(session)))
        for _ in range(10):
            session.send(PCM)
        session.stop()
        assert reading.result(DEADLINE) == [f"{10 * len(PCM)} bytes"]


def test_a_lost_connection_comes_back():
    """Lost and Back are events here too, and the session goes on."""

    async def first(caller: Caller) -> None:
        await caller.welcome("t1")
        await caller.hear_audio(len(PCM))
        caller.vanish()

    with serving(first, hear_all) as peer, sync.connect(peer.url) as session:
        session.send(PCM)
        session.stop()
        kinds = [type(event) for event in session]
    assert [kind for kind in kinds if kind in (Lost, Back, Final)] == [Lost, Back, Final]


def test_errors_are_raised_where_the_caller_is():
    """A refusal is raised on entering, and leaves no thread behind."""

    async def refuse(caller: Caller) -> None:
        await caller.say(wire.Error(code="bad_token", message="not known here", close=1008))
        await caller.socket.close(1008)

    with serving(refuse) as peer:
        with pytest.raises(AuthenticationError, match="not known here"), sync.connect(peer.url):
            pass
        assert len(speechpipe_threads()) == 1, "only the gateway's"


def test_files_on_many_threads(tmp_path: Path):
    """Files are transcribed on the threads of a pool, each over a session of its own."""
    paths = []
    for number in range(4):
        paths.append(tmp_path / f"{number}.wav")
        soundfile.write(paths[-1], np.ones(1000 * (number + 1), np.int16), 8000)
    with serving(*[hear_all] * 4) as peer, ThreadPoolExecutor(4) as pool:
        heard = list(pool.map(lambda path: sync.transcribe_file(path, peer.url).text, paths))
    assert heard == [f"{2000 * (number + 1)} bytes" for number in range(4)]


def test_a_transcript_where_a_loop_runs_already():
    """In a notebook a loop runs in the main thread; the library does not need it."""
    with serving(hear_all) as peer:

        async def cell() -> list[str]:
            with sync.connect(peer.url, audio=[PCM]) as session:
                return texts(iter(session))

        assert asyncio.run(cell()) == [f"{len(PCM)} bytes"]


def interrupt_while(waiting: Callable[[], object]) -> None:
    """Interrupt this thread as Ctrl-C does, while it waits."""
    timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))

    def interrupted() -> None:
        timer.start()
        waiting()

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    timer.join()


@pytest.fixture
def interruptible() -> Iterator[None]:
    """SIGINT raises KeyboardInterrupt, whatever a shell has set."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_interrupts_waiting_and_the_rest_can_still_be_read():
    """After Ctrl-C in iteration the session is whole: stop it, and every final still comes, none is lost."""
    with serving(hear_all) as peer, sync.connect(peer.url) as session:
        session.send(PCM)
        session.next_event()
        interrupt_while(session.next_event)
        session.stop()
        assert texts(iter(session)) == [f"{len(PCM)} bytes"]


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_while_opening_and_while_sending_leaves_nothing_behind():
    """Whatever waits is interrupted, and leaving the block closes the connection and ends the thread."""

    async def silent(caller: Caller) -> None:
        await caller.socket.wait_closed()

    async def deaf(caller: Caller) -> None:
        await caller.welcome()
        await caller.socket.wait_closed()

    def open_and_wait(url: str) -> None:
        with sync.connect(url):
            raise AssertionError("it cannot be open")

    def send_much(url: str) -> None:
        with sync.connect(url, limits=Limits(retained_seconds=0.1)) as session:
            session.send(PCM)
            session.send(PCM)

    with serving(silent, deaf) as peer:
        interrupt_while(lambda: open_and_wait(peer.url))
        interrupt_while(lambda: send_much(peer.url))
        assert len(speechpipe_threads()) == 1, "only the gateway's"


SCRIPT = """
import os, sys
from speechpipe_client import sync

def blocks():
    os.write(1, b"reading\\n")
    sys.stdin.buffer.read(1)
    yield b""

with sync.connect(sys.argv[1], audio=blocks()) as session:
    for event in session:
        os.write(1, type(event).__name__.encode() + b"\\n")
"""


def test_a_script_whose_source_hangs_ends_at_ctrl_c():
    """A generator that waits for a pipe on which nothing comes does not keep the program from ending."""

    async def deaf(caller: Caller) -> None:
        await caller.welcome()
        await caller.socket.wait_closed()

    with serving(deaf) as peer:
        process = subprocess.Popen(
            [sys.executable, "-c", f"import signal; signal.signal(2, signal.default_int_handler)\n{SCRIPT}", peer.url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert {process.stdout.readline(), process.stdout.readline()} == {"reading\n", "Opened\n"}
        process.send_signal(signal.SIGINT)
        _, complaint = process.communicate(timeout=DEADLINE)
    assert process.returncode == -signal.SIGINT or "KeyboardInterrupt" in complaint


def test_an_audio_file_is_a_source_here_too(tmp_path: Path):
    """``audio=AudioFile`` is sent by the session's thread while the caller reads."""
    path = tmp_path / "talk.wav"
    soundfile.write(path, np.ones(8000, np.int16), 8000)
    with serving(hear_all) as peer, sync.connect(peer.url, audio=AudioFile.open(path)) as session:
        assert texts(iter(session)) == ["16000 bytes"]
