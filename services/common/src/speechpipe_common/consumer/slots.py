"""How many batches a process handles at a time, however many Redis they come from."""

import asyncio
from collections import deque
from typing import Any


class Slots:
    """Places for batches, given in the order of asking.

    Args:
        count: how many there are.
        shared: more than one consumer takes them, so that none may keep one while its Redis is away.
    """

    def __init__(self, count: int, *, shared: bool = False) -> None:
        self.shared = shared
        self._count = self._free = count
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    async def take(self, stopping: "asyncio.Task[bool]", *, alone: bool = False) -> "Place | None":
        """A place, or with ``alone`` all of them; None when it is time to stop instead."""
        place = Place(self, self._count if alone else 1)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((place.size, turn))
        self._serve()
        first: set[asyncio.Future[Any]] = {turn, stopping}
        try:
            await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self._withdraw(place, turn)
            raise
        if not stopping.done():
            return place
        self._withdraw(place, turn)
        return None

    async def room(self, stopping: "asyncio.Task[bool]") -> bool:
        """Wait until a place is free; False when it is time to stop instead."""
        place = await self.take(stopping)
        if place is None:
            return False
        place.leave()
        return True

    def _withdraw(self, place: "Place", turn: "asyncio.Future[None]") -> None:
        if turn.done():
            place.leave()
        else:
            self._waiting.remove((place.size, turn))
            self._serve()

    def give(self, size: int) -> None:
        """So many places are free again; ``Place.leave`` says so."""
        self._free += size
        self._serve()

    def _serve(self) -> None:
        while self._waiting and self._waiting[0][0] <= self._free:
            size, turn = self._waiting.popleft()
            self._free -= size
            turn.set_result(None)


class Place:
    """One place, or all of them, until it is left."""

    def __init__(self, slots: Slots, size: int) -> None:
        self.size = size
        self._slots: Slots | None = slots

    @property
    def left(self) -> bool:
        """Whether others may have it."""
        return self._slots is None

    def leave(self) -> None:
        """Let others have it; nothing happens the second time."""
        slots, self._slots = self._slots, None
        if slots is not None:
            slots.give(self.size)
