"""A hostile client, a hostile worker and a broken clock around the gateway's pure parts."""

import random
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from session_world import QUIET, SOFT, SPEECH

from speechpipe_common.languages import UnknownLanguage
from speechpipe_common.messages import AudioJob, Delivery, Failure, TextJob, Transcript, Translated, encode
from speechpipe_common.wire import AudioAck, Error, FinalCaption, Flush, Realtime, SetLangs, Start, Stop, Translation
from speechpipe_gateway.choices import languages, with_hints
from speechpipe_gateway.dialect import Audio, ProtocolError, Request
from speechpipe_gateway.media import AudioInput
from speechpipe_gateway.native import NativeProtocol
from speechpipe_gateway.session import (
    CHUNK,
    Effect,
    Options,
    Promote,
    Release,
    Send,
    SessionConfig,
    SessionCore,
    Submit,
    SubmitText,
    Vote,
)

CONFIG = SessionConfig(
    pre_speech=4_000,
    silence=6_400,
    candidate=2_400,
    longest=48_000,
    min_speech=1_280,
    partial_every=4_000,
    partials=True,
    partial_seconds=1.0,
    resubmit_seconds=3.0,
    max_pending=4,
    deepest_queue=100,
    ack_every=8_000,
)
"""Everything short, so that much happens in few frames."""

LONGEST_FRAME = 16_000
WORDS = ("one", "two", "three", "Four.", "five,", "", "…", "世界", "a" * 40)
VALID = (
    '{"type":"start"}',
    '{"type":"start","sample_rate":48000,"channels":2}',
    '{"type":"start","sample_rate":8000,"format":"f32"}',
    '{"type":"start","format":"wav"}',
    '{"type":"start","format":"legacy"}',
    '{"type":"set_langs","source_language":"de","target_languages":["en","es"]}',
    '{"type":"set_langs","source_language":"nobody"}',
    '{"type":"set_langs","target_language":"fr"}',
    '{"type":"flush"}',
    '{"type":"keepalive"}',
    '{"type":"auth","token":"x"}',
)
RARE = ('{"type":"stop"}', '{"type":"resume","session_id":"a","token":"b"}')


class Refused(Exception):
    """The session has ended as a client that misbehaved must expect."""


@dataclass
class Client:
    """What a client has seen, and what must hold of it."""

    finals: set[str] = field(default_factory=set)
    translations: set[tuple[str, str]] = field(default_factory=set)
    revs: dict[str, int] = field(default_factory=dict)
    text_revs: dict[tuple[str, str], int] = field(default_factory=dict)
    committed: dict[str, str] = field(default_factory=dict)
    acked: int = 0

    def see(self, message: object) -> None:
        """Check a message against all before it."""
        match message:
            case FinalCaption(segment_id=segment):
                self._end(segment)
            case Error(segment_id=str(segment), language=None):
                self._end(segment)
            case Error(segment_id=str(segment), language=str(language)):
                self._translated(segment, language)
            case Realtime(segment_id=segment):
                assert segment not in self.finals, f"a partial of {segment} came after its final"
                assert message.rev > self.revs.get(segment, 0), f"rev {message.rev} of {segment} did not rise"
                self.revs[segment] = message.rev
                before = self.committed.get(segment, "")
                assert message.committed.startswith(before), f"committed {before!r} became {message.committed!r}"
                assert message.text == message.committed + message.tail
                self.committed[segment] = message.committed
            case Translation(segment_id=segment, language=language, is_final=True):
                self._translated(segment, language)
            case Translation(segment_id=segment, language=language):
                assert (segment, language) not in self.translations
                assert message.rev > self.text_revs.get((segment, language), 0)
                self.text_revs[segment, language] = message.rev
            case AudioAck(offset=offset):
                assert offset > self.acked, f"acknowledged {offset} after {self.acked}"
                self.acked = offset

    def _end(self, segment: str) -> None:
        assert segment not in self.finals, f"segment {segment} ended twice"
        self.finals.add(segment)

    def _translated(self, segment: str, language: str) -> None:
        assert (segment, language) not in self.translations, f"{segment} was translated twice into {language}"
        self.translations.add((segment, language))


class Hostile:
    """One connection, driven by chance.

    Args:
        rng: decides everything.
    """

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.frames = 0
        self.messages = 0
        self.now = 1_000.0
        self.client = Client()
        self.protocol = NativeProtocol(authenticated=True)
        self.options = Options()
        self.core: SessionCore | None = None
        self.audio: AudioInput | None = None
        self.start = Start()
        self.ends: dict[int, int] = {}
        """Where each segment ends, by its start, as far as that is settled."""
        self._jobs: list[AudioJob] = []
        self._candidates: dict[tuple[int, int], int] = {}
        self._texts: list[TextJob] = []
        self._entry = 0
        self._chunks = 0
        self._mood: Vote = QUIET

    # --- the client ------------------------------------------------------------------------------------------------

    def frame(self) -> None:
        """One frame, valid or not.

        Raises:
            ProtocolError: as it may.
            MediaError: as it may.
        """
        self.frames += 1
        rng = self.rng
        if self.core is not None and not self.core.wants_audio and rng.random() < 0.9:
            return  # the connection is not read
        if self.core is None or rng.random() < 0.15:
            self._text()
        else:
            for request in self.protocol.binary(self._binary()):
                self._handle(request)

    def _text(self) -> None:
        rng = self.rng
        raw = rng.choice(VALID) if rng.random() < 0.98 else rng.choice(RARE)
        if rng.random() < 0.03:
            at = rng.randrange(len(raw) + 1)
            junk = "".join(rng.choice('{}[]":,\\\ud800\x00 9e-true世') for _ in range(rng.randrange(1, 6)))
            raw = raw[:at] + junk + raw[at + rng.randrange(4) :]
        try:
            requests = self.protocol.text(raw)
        except ProtocolError as error:
            if self.core is not None and error.code in ("already_started", "not_started") and rng.random() < 0.95:
                return  # let it live: sessions that end at once test little
            raise
        for request in requests:
            self._handle(request)

    def _binary(self) -> bytes:
        rng = self.rng
        size = rng.choice((0, 1, 160, 512, 1_000, 4_000, LONGEST_FRAME))
        if rng.random() < 0.003:
            return rng.randbytes(rng.randrange(64))
        rate, channels = self.start.sample_rate, self.start.channels
        samples = self._noise(round(size * rate / 16_000)).repeat(channels)
        if self.start.format == "f32":
            return (samples / 32_768).astype("<f4").tobytes()
        pcm = samples.astype("<i2").tobytes()
        if self.start.format == "legacy":
            head = rng.choice((b"{}", b'{"sampleRate":16000}'))
            return struct.pack("<I", len(head)) + head + pcm
        if self.start.format == "wav" and self.audio is not None and self.audio.position == 0 and rng.random() < 0.5:
            head = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 16_000, 32_000, 2, 16)
            return b"RIFF\xff\xff\xff\xffWAVE" + head + b"data\xff\xff\xff\xff" + pcm
        return pcm

    def _noise(self, count: int) -> NDArray[np.int16]:
        return np.full(count, self.rng.randrange(-3_000, 3_000), np.int16)

    def _handle(self, request: Request) -> None:
        core = self.core
        match request:
            case Start():
                self.start = request
                self.audio = AudioInput(request)
                self.options = with_hints(self.options, request)
                self.core = SessionCore("c", 1, CONFIG, self.options, self.audio.to_client)
            case SetLangs():
                try:
                    self.options = languages(request, self.options)
                except UnknownLanguage:
                    return
                if core is not None:
                    self.take(core.choose(self.options))
            case Audio(frame) if core is not None and self.audio is not None:
                samples = self.audio.feed(frame)
                self.take(core.audio(samples, self._votes(core.tape.end + len(samples)), self.now))
            case Flush() if core is not None:
                self.take(core.flush(self.now))
            case Stop() if core is not None and self.audio is not None:
                self.take(core.audio(self.audio.finish(), [], self.now))
                self.take(core.stop(self.now))

    def _votes(self, end: int) -> Sequence[Vote]:
        votes = []
        while (self._chunks + 1) * CHUNK <= end:
            self._chunks += 1
            if self.rng.random() < 0.07:
                self._mood = self.rng.choice((SPEECH, SPEECH, SPEECH, QUIET, SOFT, Vote(False, True, True)))
            votes.append(self._mood)
        return votes

    # --- the worker, Redis and the clock ---------------------------------------------------------------------------

    def disturb(self) -> None:
        """Something happens that is no frame."""
        rng, core = self.rng, self.core
        self.now += rng.choice((0.0, 0.01, 0.1, 0.4, 1.0, 4.0, -2.0))
        if core is None:
            return
        what = rng.random()
        if what < 0.5:
            self._deliver(core)
        elif what < 0.75:
            self.take(core.tick(self.now, listening=rng.random() < 0.7))
        elif what < 0.78:
            self.take(core.redis_returned(self.now))
        elif what < 0.9 and self._jobs:
            status = rng.choice(("ok", "ok", "ok", "queued", "shed", "done"))
            self.take(core.submitted(rng.choice(self._jobs), status, rng.choice(("", "5-1"))))
        elif what < 0.95 and self._texts:
            status = rng.choice(("ok", "queued", "shed", "done"))
            self.take(core.text_submitted(rng.choice(self._texts), status, rng.choice(("", "5-1"))))
        else:
            self.take(core.promoted(rng.choice(("final", "wanted", "done"))))

    def _deliver(self, core: SessionCore) -> None:
        rng = self.rng
        body: Any
        if self._texts and rng.random() < 0.25:
            body = self._translation(rng.choice(self._texts))
        elif self._jobs:
            body = self._transcript(rng.choice(self._jobs[-6:] if rng.random() < 0.9 else self._jobs))
        else:
            return
        self._entry += rng.choice((0, 1, 1, 1, 2)) if rng.random() < 0.9 else -min(self._entry, 3)
        entry = f"{self._entry}-{rng.randrange(2)}" if rng.random() < 0.8 else ""
        jobs = {"es": "7-0"} if rng.random() < 0.2 else {}
        if isinstance(body, Transcript) and body.kind == "final":
            self._settle(core, body)
        self.take(core.result(Delivery(id=entry, jobs=jobs, body=body), self.now))

    def _settle(self, core: SessionCore, final: Transcript) -> None:
        """Two finals of one segment agree on its end: ``done`` lets one through."""
        segment = core.ledger.segments.get(final.segment)
        if segment is not None and segment.end is None:
            self.ends.setdefault(final.segment, final.end)

    def _transcript(self, job: AudioJob) -> Transcript | Failure:
        rng = self.rng
        if rng.random() < 0.1:
            rev = rng.choice((job.rev, job.rev - 1, 0))
            return Failure(segment=job.segment, rev=rev, code="x", message="y", retry=rng.random() < 0.8)
        kind = job.kind
        if kind == "candidate" and self.ends.get(job.segment) == job.end and rng.random() < 0.5:
            kind = "final"
        return Transcript(
            segment=job.segment if rng.random() < 0.97 else rng.randrange(10**6),
            rev=job.rev if rng.random() < 0.9 else rng.randrange(3 * 10**6),
            kind=kind,
            start=job.start,
            end=job.end,
            text=" ".join(rng.choice(WORDS) for _ in range(rng.randrange(6))),
            language=rng.choice(("en", "en", "zh", "")),
            language_probability=rng.random(),
            processing_time=0.0,
        )

    def _translation(self, job: TextJob) -> Translated | Failure:
        rng = self.rng
        if rng.random() < 0.1:
            return Failure(
                segment=job.segment, rev=job.rev, code="x", message="y", retry=rng.random() < 0.5, language=job.target
            )
        return Translated(
            segment=job.segment,
            rev=job.rev,
            final=job.final,
            text=rng.choice(WORDS),
            source=job.source,
            language=job.target,
            processing_time=0.0,
        )

    # --- what must hold --------------------------------------------------------------------------------------------

    def take(self, effects: Sequence[Effect]) -> None:
        """Check what the core asks for."""
        core = self.core
        assert core is not None
        for effect in effects:
            match effect:
                case Send(message):
                    self.messages += 1
                    encode(message)
                    self.client.see(message)
                case Submit(job, record):
                    encode(job)
                    if record is not None:
                        encode(record)
                    assert job.turn <= job.start < job.end <= core.tape.end
                    self._jobs.append(job)
                    if job.kind == "candidate":
                        self._candidates[job.segment, job.rev] = job.end
                    if job.kind == "final":
                        assert self.ends.setdefault(job.segment, job.end) == job.end, "the final changed its end"
                case SubmitText(job):
                    encode(job)
                    self._texts.append(job)
                case Promote(segment, rev):
                    end = self._candidates[segment, rev]
                    assert self.ends.setdefault(segment, end) == end, "the final changed its end"
                case Release(blocks=blocks):
                    assert all(block >= 0 for block in blocks)
        longest = (CONFIG.max_pending + 1) * CONFIG.longest + LONGEST_FRAME + CONFIG.pre_speech
        assert core.tape.end - core.tape.start <= longest, "the tape grows without bound"

    def no_overlap(self) -> None:
        """Segments follow each other."""
        last = 0
        for start in sorted(self.ends):
            assert start >= last, f"segment {start} begins before {last}, where the one before it ends"
            last = self.ends[start]
