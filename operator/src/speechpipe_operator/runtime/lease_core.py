"""Who may write: the rules of a Lease (coordination.k8s.io), pure. The clock is passed in.

As in client-go's leader election, times written by others are never compared with our clock: a holder is taken for dead
when its record has not changed for the length of its lease as seen from here.
"""

from dataclasses import dataclass, replace
from typing import Final, Literal

RELEASED_SECONDS: Final = 1
"""Length of a lease that its holder gave back: whoever comes next need not wait."""

LONGEST_RETRY: Final = 2.0
"""Seconds: a lease that was given back is noticed soon, however long it is."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How long a lease lasts, in seconds; the shares are those of client-go's defaults for controllers (15, 10, 2)."""

    duration: int = 15

    @property
    def renew_within(self) -> float:
        """The holder gives up when it could not renew for so long: before the next one may start."""
        return self.duration * 2 / 3

    @property
    def retry(self) -> float:
        """Between two attempts to take or renew."""
        return min(LONGEST_RETRY, self.duration * 2 / 15)

    @property
    def request(self) -> float:
        """A request about the Lease that takes longer has failed; two of them fit before the holder gives up."""
        return self.duration / 4


@dataclass(frozen=True, slots=True)
class Record:
    """What a Lease says."""

    holder: str
    """Empty: nobody's."""
    duration: int
    renewed: str
    """RFC 3339 with microseconds; only compared for equality."""
    acquired: str
    transitions: int
    version: str = ""
    """resourceVersion of the Lease; empty for a record that is not written yet."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Somebody else holds it."""

    holder: str


@dataclass(frozen=True, slots=True)
class Write:
    """Write ``record`` (create it where its version is empty); the version is a precondition."""

    record: Record


class Candidate:
    """One process that wants the lease.

    Args:
        identity: its name, different for every process.
        terms: lengths.
    """

    def __init__(self, identity: str, terms: Terms) -> None:
        self.identity = identity
        self.terms = terms
        self._seen: Record | None = None
        self._seen_at = 0.0
        self._renewed_at: float | None = None

    def consider(self, found: Record | None, now: float, stamp: str) -> Wait | Write:
        """What to do about the Lease that was just read.

        Args:
            found: what it says; None: there is none.
            now: monotonic seconds.
            stamp: the time of the wall clock, for people to read.
        """
        if found is None:
            return Write(Record(self.identity, self.terms.duration, stamp, stamp, 0))
        if self._seen is None or replace(found, version="") != replace(self._seen, version=""):
            self._seen, self._seen_at = found, now
        if found.holder == self.identity:
            return Write(replace(found, duration=self.terms.duration, renewed=stamp))
        if found.holder and now < self._seen_at + found.duration:
            return Wait(found.holder)
        return Write(Record(self.identity, self.terms.duration, stamp, stamp, found.transitions + 1, found.version))

    @property
    def ours(self) -> Record | None:
        """The record as we wrote it last, where nothing else has been seen since: it need not be read to be renewed,
        since its version is a precondition of the write.
        """
        return self._seen if self._seen is not None and self._seen.holder == self.identity else None

    def doubt(self) -> None:
        """The last write failed, or nobody knows: what stands there has to be read."""
        self._seen = None if self.ours is not None else self._seen

    def written(self, record: Record, began: float) -> None:
        """Our record is stored. ``began``: monotonic seconds before the request was sent: the lease runs from then."""
        self._seen, self._seen_at = record, began
        self._renewed_at = began

    def state(self, now: float) -> Literal["none", "held", "late", "over"]:
        """``held``; ``late``: could not be renewed in time, so give up; ``over``: somebody else may hold it by now."""
        if self._renewed_at is None:
            return "none"
        age = now - self._renewed_at
        if age >= self.terms.duration:
            return "over"
        return "late" if age >= self.terms.renew_within else "held"

    def released(self, stamp: str) -> Record | None:
        """The record that gives the lease back; None where it is not ours."""
        if self._renewed_at is None or self._seen is None or self._seen.holder != self.identity:
            return None
        return replace(self._seen, holder="", duration=RELEASED_SECONDS, renewed=stamp)
