"""What the loop asks of the service that it works for."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from speechpipe_common.store import JobRef
from speechpipe_common.tracing import NOTHING, Span

J = TypeVar("J")


@dataclass(frozen=True, slots=True)
class Entry(Generic[J]):
    """A job in a worker's hands."""

    ref: JobRef
    job: J
    payload: bytes
    deliveries: int
    """1 for a new job; more when a worker has left it before."""
    span: Span = NOTHING
    """From the job's arrival on its stream to its being settled; recorded where its segment's trace is."""


Handler = Callable[[Sequence[Entry[J]]], Awaitable[None]]
"""Settles each of its entries through the store. What it leaves unsettled, or has not settled when it raises, is handed
back and comes again, alone. Errors of Redis may be let out: they do not count against the job."""

Gate = Callable[[], Awaitable[None]]
"""Returns when the handler wants more jobs than it has in hand; cancelled when it is no longer asked."""


class Burier(Protocol):
    """The part of the store that gives a job up."""

    async def bury(self, ref: JobRef, payload: bytes, reason: str, deliveries: int) -> str:
        """Move the job to the dead letters; returns what became of it."""
        ...
