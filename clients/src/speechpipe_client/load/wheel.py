"""One timer for all streams: at each tick, those whose turn it is send their next frame."""

import asyncio
from typing import Protocol

from speechpipe_client.load.schedule import TICK_SECONDS
from speechpipe_client.load.talker import Framing


class Turn(Protocol):
    """Something that has a turn once in each frame."""

    def tick(self, due: float) -> None:
        """It is, or should have been, ``due`` by the loop's clock."""


class Wheel:
    """Turns once in each frame. A task with a sleep for each frame of each stream costs a third more (measured)."""

    def __init__(self, framing: Framing) -> None:
        self.lateness: list[tuple[float, float]] = []
        """When each tick was due, and by how many seconds it was late."""
        self._slots: list[list[Turn]] = [[] for _ in range(max(1, round(framing.seconds / TICK_SECONDS)))]
        self._tick_seconds = framing.seconds / len(self._slots)

    def join(self, turn: Turn, phase: int) -> None:
        """Give it a turn in each frame from now on."""
        self._slots[phase % len(self._slots)].append(turn)

    def leave(self, turn: Turn) -> None:
        """No more turns for it."""
        for slot in self._slots:
            if turn in slot:
                slot.remove(turn)

    async def run(self) -> None:
        """Turn until cancelled; a tick that is missed is made up for at once."""
        clock = asyncio.get_running_loop().time
        due = clock()
        while True:
            for slot in self._slots:
                due += self._tick_seconds
                await asyncio.sleep(max(0.0, due - clock()))
                self.lateness.append((due, clock() - due))
                for turn in tuple(slot):
                    turn.tick(due)
