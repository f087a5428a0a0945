"""A segment that the gateway owns: from its onset until its final is with the client."""

from dataclasses import dataclass, field

from speechpipe_common.messages import AudioJob, JobKind, SegmentRecord
from speechpipe_gateway.session.config import Options
from speechpipe_gateway.session.effects import Submit
from speechpipe_gateway.session.partial_texts import PartialTexts
from speechpipe_gateway.session.stabilising import Stabiliser


@dataclass(slots=True)
class Flight:
    """A job that is out: its revision, where its audio ends, its stream entry once known, and when to worry."""

    rev: int
    end: int
    deadline: float
    entry: str = ""


@dataclass(slots=True)
class Segment:
    """State of one segment.

    Attributes:
        turn: offset of the first sample of its turn.
        start: offset of its first sample; its id.
        options: what it is decoded with.
        end: offset behind its last sample, None while it grows.
        follows: it begins at a cut, not at an onset.
        continues: it was cut, and the turn goes on.
        shown: highest revision that the client has seen.
        translation: the newest translation of a partial into the first target language.
        captioned: the client has seen words of it.
        heard_until: where the last partial's audio ended.
        recorded: Redis knows of it, so that a partial need not say it again.
        doubt: what Redis holds of its audio must be looked at before the next job.
        heard_at: when the first speech of its turn came, None where it does not begin one, or its first caption is out.
        spoke_at: when the last of its speech came, None where another gateway heard it.
    """

    turn: int
    start: int
    options: Options
    end: int | None = None
    follows: bool = False
    continues: bool = False
    shown: int = 0
    translation: str | None = None
    captioned: bool = False
    heard_until: int = 0
    recorded: bool = False
    doubt: bool = False
    heard_at: float | None = None
    spoke_at: float | None = None
    partial: Flight | None = None
    candidate: Flight | None = None
    final: Flight | None = None
    stabiliser: Stabiliser = field(default_factory=Stabiliser)
    texts: PartialTexts = field(default_factory=PartialTexts)

    def flight(self, rev: int) -> Flight | None:
        """The job of a revision that is still out."""
        for flight in (self.partial, self.candidate, self.final):
            if flight is not None and flight.rev == rev:
                return flight
        return None

    def forget(self, rev: int) -> None:
        """A partial or candidate of this revision is not out any more."""
        if self.partial is not None and self.partial.rev == rev:
            self.partial = None
        if self.candidate is not None and self.candidate.rev == rev:
            self.candidate = None

    def submission(
        self, client: str, epoch: int, kind: JobKind, flight: Flight, language: str | None, now: float
    ) -> Submit:
        """The effect that sends a job for this segment over ``[start, flight.end)``."""
        doubt, self.doubt = self.doubt, False
        options = self.options
        job = AudioJob(
            client=client,
            epoch=epoch,
            segment=self.start,
            rev=flight.rev,
            kind=kind,
            turn=self.turn,
            start=self.start,
            end=flight.end,
            language=language,
            targets=options.targets,
            prompt=options.prompt,
            hotwords=options.hotwords,
            words=options.words,
            submitted_at=round(now, 3),
            expires_at=round(flight.deadline, 3) if kind == "partial" else None,
        )
        known = kind == "partial" and self.recorded and not doubt
        return Submit(job, None if known else self.record(flight.rev), previous=flight.entry, mend=doubt)

    def record(self, rev: int) -> SegmentRecord:
        """What another gateway must know to go on with this segment."""
        return SegmentRecord(
            turn=self.turn,
            start=self.start,
            end=self.end,
            rev=rev,
            language=self.options.source,
            targets=self.options.targets,
            prompt=self.options.prompt,
            hotwords=self.options.hotwords,
            words=self.options.words,
        )
