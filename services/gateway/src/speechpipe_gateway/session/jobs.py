"""Makes the jobs of one session: revisions, languages and deadlines in one place."""

from dataclasses import replace

from speechpipe_common.messages import JobKind
from speechpipe_gateway.session.config import SessionConfig
from speechpipe_gateway.session.effects import Submit
from speechpipe_gateway.session.language import LanguageTracker
from speechpipe_gateway.session.segment import Flight, Segment

REVS_PER_EPOCH = 1_000_000
"""Revisions of a later epoch are higher than all of an earlier one."""


class JobMaker:
    """Sends segments on their way; the only place that raises a revision."""

    def __init__(self, client: str, epoch: int, config: SessionConfig, language: LanguageTracker) -> None:
        self.client = client
        self.epoch = epoch
        self.language = language
        self._config = config
        self._rev = epoch * REVS_PER_EPOCH

    def next_rev(self) -> int:
        """A revision higher than all before."""
        self._rev += 1
        return self._rev

    def partial(self, segment: Segment, end: int, now: float) -> Submit:
        """What has been said so far."""
        segment.partial = Flight(self.next_rev(), end, now + self._config.partial_seconds)
        return self._submit(segment, "partial", segment.partial, now)

    def candidate(self, segment: Segment, end: int, now: float) -> Submit:
        """The whole segment, if the pause turns out to be its end."""
        segment.candidate = Flight(self.next_rev(), end, self._deadline(now))
        return self._submit(segment, "candidate", segment.candidate, now)

    def final(self, segment: Segment, end: int, now: float) -> Submit:
        """The segment ends at ``end``."""
        segment.end = end
        segment.final = Flight(self.next_rev(), end, self._deadline(now))
        return self._submit(segment, "final", segment.final, now)

    def again(self, segment: Segment, flight: Flight, now: float) -> Submit:
        """The same final once more: it has not come in time, so the audio in Redis is doubted too."""
        segment.doubt = True
        flight.deadline = self._deadline(now)
        return replace(self._submit(segment, "final", flight, now), again=True)

    def promote(self, segment: Segment, candidate: Flight, now: float) -> None:
        """The candidate is the final, due as one."""
        segment.end = candidate.end
        segment.final = Flight(candidate.rev, candidate.end, self._deadline(now), candidate.entry)

    def await_final(self, segment: Segment, end: int, now: float) -> None:
        """Somebody else submitted the final; it is due all the same."""
        segment.final = Flight(self.next_rev(), end, self._deadline(now))

    def _deadline(self, now: float) -> float:
        return now + self._config.resubmit_seconds

    def _submit(self, segment: Segment, kind: JobKind, flight: Flight, now: float) -> Submit:
        segment.heard_until = max(segment.heard_until, flight.end)
        language = segment.options.source or self.language.fixed
        return segment.submission(self.client, self.epoch, kind, flight, language, now)
