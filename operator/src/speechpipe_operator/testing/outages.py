"""Outages of a control plane at random instants, for tests of what the operator makes of them."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Literal, Self

from speechpipe_operator.testing.control_plane import API_SERVER, ETCD, ControlPlane

Kind = Literal["crash", "stop", "freeze"]
"""SIGKILL; SIGTERM, when an API server drains; SIGSTOP, when connections stay open and nothing is answered."""

KINDS: Final[tuple[Kind, ...]] = ("crash", "stop", "freeze")
GAP_SECONDS: Final = (0.0, 2.0)
DOWN_SECONDS: Final = (0.0, 1.5)


@dataclass(frozen=True, slots=True)
class Outage:
    """What went away for how many seconds, not counting its start."""

    part: str
    kind: Kind
    seconds: float


def planned(
    count: int, seed: int, parts: Sequence[str] = (API_SERVER, ETCD), kinds: Sequence[Kind] = KINDS
) -> list[tuple[float, Outage]]:
    """Outages, each after a pause in seconds; every part meets every kind equally often, in an order by ``seed``."""
    rng = random.Random(seed)
    pairs: list[tuple[str, Kind]] = [(part, kind) for kind in kinds for part in parts]
    chosen = [pairs[index % len(pairs)] for index in range(count)]
    rng.shuffle(chosen)
    return [(rng.uniform(*GAP_SECONDS), Outage(part, kind, rng.uniform(*DOWN_SECONDS))) for part, kind in chosen]


class Outages:
    """Breaks a control plane in the background while it is entered (``async with``), and leaves it whole.

    Leaving the block before the end cuts the rest short; ``await finished()`` lets all of them happen.

    Args:
        plane: nobody else may start, kill or pause its parts meanwhile.
        plan: what to break, from ``planned``.
    """

    def __init__(self, plane: ControlPlane, plan: Sequence[tuple[float, Outage]]) -> None:
        self.done: list[Outage] = []
        """Those that are over."""
        self._plane = plane
        self._plan = plan
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Begin."""
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Cancel what is left and wait until every part is ready."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await asyncio.to_thread(self._plane.start)

    async def finished(self) -> None:
        """Wait until all outages are over.

        Raises:
            RuntimeError: a part did not come up again.
        """
        if self._task is not None:
            await asyncio.shield(self._task)

    async def _run(self) -> None:
        breaks: Mapping[Kind, Callable[[Outage], Awaitable[None]]] = {
            "crash": lambda outage: self._gone(outage, self._plane.kill),
            "stop": lambda outage: self._gone(outage, self._plane.stop),
            "freeze": self._frozen,
        }
        for pause, outage in self._plan:
            await asyncio.sleep(pause)
            # Whole or not at all: a cancelled outage is still ended in order.
            await _unbroken(breaks[outage.kind](outage))
            self.done.append(outage)

    async def _gone(self, outage: Outage, end: Callable[[str], None]) -> None:
        await asyncio.to_thread(end, outage.part)
        await asyncio.sleep(outage.seconds)
        await asyncio.to_thread(self._plane.start)

    async def _frozen(self, outage: Outage) -> None:
        self._plane.pause(outage.part)
        await asyncio.sleep(outage.seconds)
        self._plane.resume(outage.part)
        await asyncio.to_thread(self._plane.start)


async def _unbroken(work: Awaitable[None]) -> None:
    """Await ``work`` to its end even where the awaiting task is cancelled meanwhile."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise
