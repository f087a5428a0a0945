"""What the session owes its client: segments without a final, finals without a translation, and what was delivered."""

from dataclasses import dataclass

from speechpipe_common.keys import SAMPLE_RATE, done_member
from speechpipe_common.messages import Delivery, Failure, TextJob, Transcript, Translated
from speechpipe_common.wire import Error, FinalCaption, Realtime, Translation, WireWord
from speechpipe_gateway.session.config import SessionConfig
from speechpipe_gateway.session.effects import Effect, Replay, Send, SubmitText
from speechpipe_gateway.session.partial_texts import Said
from speechpipe_gateway.session.segment import Segment
from speechpipe_gateway.session.stabilising import Caption
from speechpipe_gateway.session.stitching import stitch


@dataclass(slots=True)
class TextFlight:
    """A translation that is out."""

    job: TextJob
    entry: str
    deadline: float
    samples: int
    """Length of the audio that the text comes from."""
    spoke_at: float | None = None
    """When the last of its speech came, where that is known."""


class Ledger:
    """Takes results and decides what the client sees: each final once, no partial after it, no older after newer.

    Args:
        client: the session's id.
        config: deadlines.
        cursor: id of the last result that the client has.
    """

    def __init__(self, client: str, config: SessionConfig, cursor: str) -> None:
        self._client = client
        self._config = config
        self.cursor = cursor
        self.segments: dict[int, Segment] = {}
        self.texts: dict[tuple[int, str], TextFlight] = {}
        self.delivered: set[str] = set()

    @property
    def settled(self) -> bool:
        """Nothing is owed."""
        return not self.segments and not self.texts

    def result(self, delivery: Delivery, now: float) -> list[Effect]:
        """Take a result, live or replayed; one that the client has already is dropped."""
        if delivery.id:
            if entry_key(delivery.id) <= entry_key(self.cursor):
                return []
            self.cursor = delivery.id
        match delivery.body:
            case Transcript(kind="final") as final:
                return self._final(final, delivery.jobs, now)
            case Transcript() as partial:
                return self._partial(partial, now)
            case Translated() as translated:
                return self._translated(translated, now)
            case Failure() as failure:
                return self._failed(failure, now)

    def already_had(self, delivery: Delivery) -> None:
        """Note a result that the client received before it came back."""
        body = delivery.body
        if isinstance(body, Transcript):
            self.delivered.add(done_member(body.segment, "final"))
        elif body.language:
            self.delivered.add(done_member(body.segment, "translation", body.language))
        else:
            self.delivered.add(done_member(body.segment, "final"))

    def owe_translations(
        self, final: Transcript, jobs: dict[str, str], now: float, spoke_at: float | None = None
    ) -> None:
        """Expect the translations that the commit of a final has started, whose last speech came at ``spoke_at``."""
        for target, entry in jobs.items():
            if done_member(final.segment, "translation", target) in self.delivered:
                continue
            job = TextJob(
                client=self._client,
                segment=final.segment,
                rev=final.rev,
                final=True,
                text=final.text,
                source=final.language,
                target=target,
                submitted_at=now,
            )
            deadline = now + self._config.resubmit_seconds
            self.texts[final.segment, target] = TextFlight(job, entry, deadline, final.end - final.start, spoke_at)

    def text_submitted(self, job: TextJob, status: str, entry: str) -> list[Effect]:
        """What became of a translation job."""
        if not job.final:
            if status == "shed" and (segment := self.segments.get(job.segment)):
                segment.texts.shed(job.target)
            return []
        flight = self.texts.get((job.segment, job.target))
        if flight is None:
            return []
        flight.entry = entry or flight.entry
        return [Replay()] if status == "done" else []

    def doubt_texts(self, now: float) -> None:
        """Every translation that is out may be lost: it is due now."""
        for flight in self.texts.values():
            flight.deadline = min(flight.deadline, now)

    def overdue_texts(self, now: float) -> list[Effect]:
        """Submit again the translations that have not come."""
        effects: list[Effect] = []
        for flight in self.texts.values():
            if flight.deadline <= now:
                flight.deadline = now + self._config.resubmit_seconds
                effects.append(SubmitText(flight.job, previous=flight.entry, samples=flight.samples))
        return effects

    def _first(self, member: str) -> bool:
        new = member not in self.delivered
        self.delivered.add(member)
        return new

    def _final(self, final: Transcript, jobs: dict[str, str], now: float) -> list[Effect]:
        if not self._first(done_member(final.segment, "final")):
            return []
        segment = self.segments.pop(final.segment, None)
        spoke_at = segment.spoke_at if segment else None
        self.owe_translations(final, jobs, now, spoke_at)
        message = FinalCaption(
            segment_id=str(final.segment),
            rev=final.rev,
            text=stitch(final.text, follows=segment.follows, continues=segment.continues) if segment else final.text,
            language=final.language,
            start=final.start / SAMPLE_RATE,
            end=final.end / SAMPLE_RATE,
            words=tuple(
                WireWord(text=w.text, start=w.start, end=w.end, probability=w.probability) for w in final.words
            ),
            continues=segment.continues if segment else False,
            processing_time=final.processing_time,
            cursor=self.cursor,
        )
        return [Send(message, _since(spoke_at, now))]

    def _partial(self, partial: Transcript, now: float) -> list[Effect]:
        segment = self.segments.get(partial.segment)
        if segment is None:
            return []
        if segment.partial is not None and segment.partial.rev == partial.rev:
            segment.partial = None
        if partial.rev <= segment.shown or not self._config.partials:
            return []
        segment.shown = partial.rev
        caption = segment.stabiliser.update(partial.text, partial.language, partial.end)
        if not caption.text:
            return []
        segment.captioned = True
        heard_at, segment.heard_at = segment.heard_at, None
        message = Realtime(
            segment_id=str(partial.segment),
            rev=partial.rev,
            text=caption.text,
            committed=caption.committed,
            tail=caption.tail,
            language=partial.language,
            processing_time=partial.processing_time,
            translation=segment.translation,
            cursor=self.cursor,
        )
        segment.texts.said = _said(partial, caption, segment.stabiliser.settled)
        return [Send(message, _since(heard_at, now)), *self._translate_ahead(segment, now)]

    def _translate_ahead(self, segment: Segment, now: float) -> list[Effect]:
        """Ask for what is due of a segment's translations before its final."""
        targets, patience = segment.options.targets, self._config.partial_seconds
        return [SubmitText(job) for job in segment.texts.due(self._client, segment.start, targets, now, patience)]

    def _translated(self, translated: Translated, now: float) -> list[Effect]:
        if not translated.final:
            return self._translated_ahead(translated, now)
        flight = self.texts.pop((translated.segment, translated.language), None)
        if not self._first(done_member(translated.segment, "translation", translated.language)):
            return []
        return [self._show(translated, _since(flight.spoke_at if flight else None, now))]

    def _translated_ahead(self, translated: Translated, now: float) -> list[Effect]:
        segment = self.segments.get(translated.segment)
        if segment is None:
            return []
        newer = segment.texts.came(translated)
        following = self._translate_ahead(segment, now)
        if not newer:
            return following
        if segment.options.targets[:1] == (translated.language,):
            segment.translation = translated.text
        return [self._show(translated, None), *following]

    def _show(self, translated: Translated, waited: float | None) -> Send:
        message = Translation(
            segment_id=str(translated.segment),
            rev=translated.rev,
            text=translated.text,
            language=translated.language,
            is_final=translated.final,
            cursor=self.cursor,
        )
        return Send(message, waited)

    def _failed(self, failure: Failure, now: float) -> list[Effect]:
        if failure.retry:
            self._try_again(failure, now)
            return []
        kind = "translation" if failure.language else "final"
        if not self._first(done_member(failure.segment, kind, failure.language)):
            return []
        if failure.language:
            self.texts.pop((failure.segment, failure.language), None)
        else:
            self.segments.pop(failure.segment, None)
        message = Error(
            code=failure.code,
            message=failure.message,
            segment_id=str(failure.segment),
            language=failure.language or None,
            cursor=self.cursor,
        )
        return [Send(message)]

    def _try_again(self, failure: Failure, now: float) -> None:
        """The attempt failed, the work remains: a final is due at once, a partial or candidate is forgotten."""
        segment = self.segments.get(failure.segment)
        if failure.language:
            flight = self.texts.get((failure.segment, failure.language))
            if flight is not None:
                flight.deadline = min(flight.deadline, now)
        elif segment is not None:
            segment.doubt = True
            segment.forget(failure.rev)
            if segment.final is not None and segment.final.rev == failure.rev:
                segment.final.deadline = now


def _said(partial: Transcript, caption: Caption, settled: int) -> Said:
    """What there is to translate: a candidate to the letter, so that the final that it may become is known by then."""
    text = caption.text if partial.kind == "partial" else partial.text
    return Said(partial.rev, text, partial.language, settled)


def _since(then: float | None, now: float) -> float | None:
    return None if then is None else now - then


def entry_key(entry: str) -> tuple[int, int]:
    """Order of stream entry ids: ``milliseconds-sequence``.

    Raises:
        ValueError: not an entry id.
    """
    milliseconds, _, sequence = entry.partition("-")
    return int(milliseconds), int(sequence or 0)
