"""Taking the Lease, keeping it, and stopping before somebody else writes."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

from speechpipe_common.logs import get_logger
from speechpipe_operator.runtime.lease_core import Candidate, Record, Wait
from speechpipe_operator.runtime.metrics import OperatorMetrics


class LeaseError(RuntimeError):
    """The Lease could not be read or written; says why."""


class LeaseConflictError(LeaseError):
    """Somebody wrote the Lease between our reading and writing."""


class NotActiveError(RuntimeError):
    """This process must not write: it does not hold the lease, or has not renewed it in time."""


class LeaseStore(Protocol):
    """One Lease object. Both methods raise ``LeaseError``."""

    async def read(self) -> Record | None:
        """What it says; None where there is none."""

    async def write(self, record: Record) -> Record:
        """Store ``record``; its version is a precondition. Returns it with the new version.

        Raises:
            LeaseConflictError: the version is no longer that.
        """


def boottime() -> float:
    """Seconds of a clock that goes on while the process is stopped and while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def stamp() -> str:
    """Now, as a MicroTime of the Kubernetes API."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class LeaseKeeper:
    """Holds one Lease for this process.

    Args:
        store: the Lease.
        candidate: who we are, and the terms.
        metrics: shows what this process is.
        clock: seconds that go on while the process is stopped.
    """

    def __init__(
        self, store: LeaseStore, candidate: Candidate, metrics: OperatorMetrics, clock: Callable[[], float] = boottime
    ) -> None:
        self._store = store
        self._candidate = candidate
        self._metrics = metrics
        self._clock = clock
        self._said = ""
        self.trouble: str | None = None
        """Why the Lease can't be read or written at this moment, in words."""
        self._log = get_logger(__name__)

    @property
    def active(self) -> bool:
        """Whether this process holds the lease and has renewed it in time."""
        return self._candidate.state(self._clock()) == "held"

    def check(self) -> None:
        """To be called before every write.

        Raises:
            NotActiveError: the lease is not held, or was not renewed in time (the process may have been stopped).
        """
        state = self._candidate.state(self._clock())
        if state != "held":
            why = "not held" if state == "none" else "not renewed in time"
            raise NotActiveError(f"the lease is {why}, so nothing is written")

    async def acquire(self) -> None:
        """Wait until the lease is ours."""
        self._metrics.lease("standby")
        while not await self._try():  # noqa: ASYNC110 - it polls another machine
            await asyncio.sleep(self._candidate.terms.retry)
        self._metrics.lease("active")
        self._log.info("lease_won", holder=self._candidate.identity)

    async def keep(self) -> None:
        """Renew until the lease is lost.

        Raises:
            NotActiveError: it could not be renewed in time, or somebody else has it. Nothing may be written any more.
        """
        while True:
            await asyncio.sleep(self._candidate.terms.retry)
            # A process that was stopped for long must not come back as if nothing had happened, even where nobody has
            # taken the lease: what it knows is old.
            taken = self.active and not await self._try() and self._lost_to is not None
            if taken or not self.active:
                self._metrics.lease("lost")
                why = f"{self._lost_to} has it" if taken else self.trouble or "it was not renewed in time"
                raise NotActiveError(f"lease lost: {why}")

    async def release(self) -> None:
        """Give the lease back, so that the next one need not wait; what goes wrong is only logged."""
        record = self._candidate.released(stamp())
        if record is None or not self.active:
            return
        try:
            async with asyncio.timeout(self._candidate.terms.request):
                await self._store.write(record)
            self._log.info("lease_released")
        except (LeaseError, TimeoutError) as error:
            self._log.warning("lease_not_released", reason=str(error) or "no answer in time")

    async def _try(self) -> bool:
        """One attempt to take or renew."""
        self._lost_to: str | None = None
        try:
            async with asyncio.timeout(self._candidate.terms.request):
                found = self._candidate.ours or await self._store.read()
                wish = self._candidate.consider(found, self._clock(), stamp())
                if isinstance(wish, Wait):
                    self._lost_to = wish.holder
                    self._say("standby", f"waiting for the lease that {wish.holder} holds")
                    self.trouble = None
                    return False
                began = self._clock()
                self._candidate.written(await self._store.write(wish.record), began)
        except LeaseConflictError:
            self._candidate.doubt()
            return False
        except (LeaseError, TimeoutError) as error:
            self._candidate.doubt()
            self.trouble = str(error) or f"no answer about the Lease within {self._candidate.terms.request:g} s"
            self._say("lease_trouble", self.trouble)
            return False
        self.trouble = None
        self._said = ""
        return True

    def _say(self, event: str, reason: str) -> None:
        """Log what has not just been logged."""
        if reason != self._said:
            self._said = reason
            self._log.warning(event, reason=reason)
