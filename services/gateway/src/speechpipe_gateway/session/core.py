"""One session, sans-I/O: audio with votes, results, requests and the clock go in; effects come out.

The core never waits, reads no clock and knows no socket. Whoever drives it carries out the effects in their order and
reports back with ``submitted``, ``text_submitted`` and ``promoted``.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from speechpipe_common.keys import done_member
from speechpipe_common.messages import AudioJob, Delivery, Failure, TextJob, Transcript
from speechpipe_common.wire import CLOSE_DONE
from speechpipe_gateway.session.config import Options, SessionConfig
from speechpipe_gateway.session.effects import Close, Effect, Replay, Save, Submit
from speechpipe_gateway.session.endpointing import Vote
from speechpipe_gateway.session.jobs import JobMaker
from speechpipe_gateway.session.keeping import Keeper
from speechpipe_gateway.session.language import LanguageTracker
from speechpipe_gateway.session.ledger import Ledger
from speechpipe_gateway.session.listener import Listener
from speechpipe_gateway.session.restoring import Restored
from speechpipe_gateway.session.segment import Segment
from speechpipe_gateway.session.tape import Tape


class SessionCore:
    """State of one session on the gateway that owns it.

    All methods that take ``now`` take seconds of the same clock. ``fields`` mirrors what the session's hash must say,
    so that a session that Redis lost can be restored.

    Args:
        client: the session's id.
        epoch: this gateway's epoch for it.
        config: lengths and deadlines.
        options: languages and hints for the segments to come.
        to_client: converts a session offset to a frame of the client's audio.
        restored: what another gateway left, for a session that came back.
        cursor: id of the last result that the client has.
    """

    def __init__(
        self,
        client: str,
        epoch: int,
        config: SessionConfig,
        options: Options,
        to_client: Callable[[int], int],
        *,
        restored: Restored | None = None,
        cursor: str = "0-0",
    ) -> None:
        self.client = client
        self.epoch = epoch
        self.stopping = False
        self._config = config
        self._last_audio: float | None = None
        self._closed = False
        self._language = LanguageTracker(restored.language if restored else None)
        self._jobs = JobMaker(client, epoch, config, self._language)
        self.ledger = Ledger(client, config, cursor)
        start = restored.position if restored else 0
        self._keeper = Keeper(start, config.ack_every, to_client)
        self._listener = Listener(
            config,
            self._jobs,
            self.ledger.segments,
            to_client,
            position=start,
            listen_from=restored.listen_from if restored else 0,
            growing=restored.open if restored else None,
        )
        self.fields: dict[str, str] = {"acked": str(start)}
        self.choose(options)

    # --- the client ------------------------------------------------------------------------------------------------

    def choose(self, options: Options) -> list[Effect]:
        """Languages and hints from the next segment on."""
        self._listener.options = options
        fields = {
            "source": options.source or "",
            "targets": ",".join(options.targets),
            "prompt": options.prompt,
            "hotwords": options.hotwords,
            "words": "1" if options.words else "",
        }
        return self._done([Save(fields)])

    def come_back(self, restored: Restored, now: float) -> list[Effect]:
        """Replay what the client missed, and answer for the segments that were cut before."""
        for delivery in restored.had:
            self.ledger.already_had(delivery)
        for delivery in restored.had:
            if isinstance(delivery.body, Transcript):
                self.ledger.owe_translations(delivery.body, delivery.jobs, now)
        records = [*restored.closed, *([restored.open] if restored.open else [])]
        for record in records:
            segment = Segment(
                turn=record.turn,
                start=record.start,
                options=Options(record.language, record.targets, record.prompt, record.hotwords, record.words),
                end=record.end,
                doubt=True,
            )
            self.ledger.segments[record.start] = segment
            if record.end is not None:
                self._jobs.await_final(segment, record.end, now)
        return [effect for delivery in restored.missed for effect in self.result(delivery, now)]

    def audio(self, samples: NDArray[np.int16], votes: Sequence[Vote], now: float) -> list[Effect]:
        """Audio came.

        Args:
            samples: int16 mono at 16 kHz of any number, following those before.
            votes: one for each chunk of 512 samples that is complete now.
            now: seconds.
        """
        self._last_audio = now
        effects = self._listener.audio(samples, votes, now)
        return self._done(effects) if votes else effects

    def flush(self, now: float) -> list[Effect]:
        """Finalise what was said so far."""
        return self._done(self._listener.flush(now))

    def stop(self, now: float) -> list[Effect]:
        """No more audio will come: finalise, and close when everything is delivered."""
        self.stopping = True
        return self.flush(now)

    # --- Redis -----------------------------------------------------------------------------------------------------

    def result(self, delivery: Delivery, now: float) -> list[Effect]:
        """A result came, live or replayed."""
        body = delivery.body
        segment = self.ledger.segments.get(body.segment)
        effects = self.ledger.result(delivery, now)
        if segment is not None and body.segment not in self.ledger.segments:
            effects += self._listener.gone(segment, body if isinstance(body, Transcript) else None, now)
        if isinstance(body, Transcript) and body.kind == "final" and self._language.heard(body):
            effects.append(Save({"language": self._language.fixed or ""}))
        if isinstance(body, Failure) and body.retry:
            effects += self._overdue(now)
        return self._done(effects)

    def submitted(self, job: AudioJob, status: str, entry: str) -> list[Effect]:
        """What became of an audio job: ``ok``, ``queued``, ``done`` or ``shed``, and its entry."""
        segment = self.ledger.segments.get(job.segment)
        if segment is None:
            return []
        if status == "done" and done_member(job.segment, "final") in self.ledger.delivered:
            # Cut again after a takeover, in the same place: the client has this already.
            del self.ledger.segments[job.segment]
            return self._done(self._listener.gone(segment, None, job.submitted_at))
        if status == "shed":
            segment.forget(job.rev)
        elif flight := segment.flight(job.rev):
            flight.entry = entry or flight.entry
            segment.recorded = True
        return [Replay()] if status == "done" else []

    def text_submitted(self, job: TextJob, status: str, entry: str) -> list[Effect]:
        """What became of a translation job."""
        return self.ledger.text_submitted(job, status, entry)

    def promoted(self, status: str) -> list[Effect]:
        """What became of a promotion: ``final``, ``wanted`` or ``done``."""
        return [Replay()] if status == "done" else []

    def redis_returned(self, now: float) -> list[Effect]:
        """Redis was away and may have lost its last writes: look at everything that is still owed."""
        for segment in self.ledger.segments.values():
            segment.doubt = True
            segment.candidate = None
            if segment.final is not None:
                segment.final.deadline = now
        self.ledger.doubt_texts(now)
        return [Replay(), *self._done(self._overdue(now))]

    # --- the clock -------------------------------------------------------------------------------------------------

    def tick(self, now: float, *, listening: bool) -> list[Effect]:
        """Time passed: end a turn whose audio has stopped coming, and submit again what is overdue.

        ``listening`` is False while it is us who do not read: that is no silence of the client's.
        """
        effects: list[Effect] = []
        if not listening:
            self._last_audio = now
        stalled = self._last_audio is not None and now - self._last_audio >= self._config.silence_seconds
        if stalled and not self._listener.silent:
            effects += self._listener.flush(now)
        effects += self._overdue(now)
        return self._done(effects) if effects else effects

    # --- what the driver asks --------------------------------------------------------------------------------------

    @property
    def options(self) -> Options:
        """What the next segment is decoded with."""
        return self._listener.options

    @property
    def silent(self) -> bool:
        """Nobody is speaking, not even for too short yet to count, nor was when another gateway had the session."""
        return self._listener.silent and not self._listener.unheard

    @property
    def tape(self) -> Tape:
        """The audio that may still be asked for."""
        return self._listener.tape

    @property
    def wants_audio(self) -> bool:
        """False while so much waits for its final that more audio would only pile up.

        One segment that is stuck holds all audio behind it, however many of the later ones are final.
        """
        ends = [segment.end for segment in self.ledger.segments.values()]
        waiting = sum(end is not None and end <= self.tape.end for end in ends)
        most = self._config.max_pending
        return waiting < most and self.tape.end - self.tape.start < most * self._config.longest

    def _overdue(self, now: float) -> list[Effect]:
        effects: list[Effect] = []
        for segment in self.ledger.segments.values():
            if segment.partial is not None and segment.partial.deadline <= now:
                segment.partial = None
            if segment.final is not None and segment.final.deadline <= now:
                effects.append(self._jobs.again(segment, segment.final, now))
        return effects + self.ledger.overdue_texts(now)

    def _done(self, effects: list[Effect]) -> list[Effect]:
        """What follows from any change: audio acknowledged and freed, and the end once nothing is owed."""
        for effect in effects:
            if isinstance(effect, Submit):
                self._keeper.stored(effect.job)
        oldest = self._listener.oldest_needed()
        segments = self.ledger.segments.values()
        effects += self._keeper.settle(oldest, self.ledger.cursor, self._listener.turn, segments)
        self.tape.free(oldest)
        for effect in effects:
            if isinstance(effect, Save):
                self.fields |= effect.fields
        if self.stopping and not self._closed and (self.ledger.settled or self._listener.unheard):
            self._closed = True
            if self.ledger.settled:
                effects.append(Save({"stopped": "1"}))
            effects.append(Close(CLOSE_DONE, "done", finished=self.ledger.settled))
        return effects
