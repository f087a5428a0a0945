"""Tests that take nodes away from others run alone, and come to their turn."""

import fcntl
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import turns

SECONDS = 60.0


class Party:
    """Somebody who comes for the nodes in a thread of its own and keeps them until told to go."""

    def __init__(self, turn: Callable[[], AbstractContextManager[None]]) -> None:
        self._turn = turn
        self._go = threading.Event()
        self.inside = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with self._turn():
            self.inside.set()
            self._go.wait(SECONDS)

    def leave(self) -> None:
        """Give the nodes back."""
        self._go.set()
        self._thread.join(SECONDS)
        assert not self._thread.is_alive()


def door_is_shut() -> bool:
    """Whether somebody holds the door."""
    with turns.lock_file("door").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def until(condition: Callable[[], bool]) -> None:
    """Wait for it."""
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else's locks."""
    monkeypatch.setattr(turns, "FOLDER", tmp_path)


def test_many_share_the_nodes() -> None:
    """Whoever needs the nodes whole does not wait for others that do."""
    first, second = Party(turns.shared), Party(turns.shared)
    assert first.inside.wait(SECONDS)
    assert second.inside.wait(SECONDS)
    first.leave()
    second.leave()


def test_who_takes_nodes_away_waits_for_all_and_lets_nobody_in_meanwhile() -> None:
    """One that takes them away begins when the last of the others has ended, before those that came later."""
    early = Party(turns.shared)
    assert early.inside.wait(SECONDS)
    taker = Party(turns.alone)
    until(door_is_shut)
    late = Party(turns.shared)
    assert not taker.inside.is_set()
    early.leave()
    assert taker.inside.wait(SECONDS)
    assert not late.inside.is_set()
    taker.leave()
    assert late.inside.wait(SECONDS)
    late.leave()
