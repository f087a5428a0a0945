"""A scripted speaker, worker and clock around a session core; no I/O."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from speechpipe_common.messages import AudioJob, Delivery, Transcript, Word
from speechpipe_common.wire import ServerMessage
from speechpipe_gateway.session import (
    CHUNK,
    Effect,
    Options,
    Restored,
    Send,
    SessionConfig,
    SessionCore,
    Submit,
    SubmitText,
    Vote,
)

SPEECH = Vote(onset=True, sustain=True, soft=True)
SOFT = Vote(onset=False, sustain=False, soft=True)
QUIET = Vote(onset=False, sustain=False, soft=False)

CONFIG = SessionConfig(
    pre_speech=16_000,
    silence=12_800,
    candidate=4_800,
    longest=160_000,
    min_speech=2_560,
    partial_every=8_000,
    partials=True,
    partial_seconds=5.0,
    resubmit_seconds=10.0,
    max_pending=4,
    deepest_queue=100,
    ack_every=32_000,
)


@dataclass
class World:
    """A core with everything that it has asked for so far."""

    core: SessionCore
    now: float = 1_000.0
    effects: list[Effect] = field(default_factory=list)
    entries: int = 0

    @classmethod
    def new(cls, config: SessionConfig = CONFIG, options: Options | None = None, epoch: int = 1) -> "World":
        """A fresh session."""
        return cls(SessionCore("c", epoch, config, options or Options(source="en"), lambda samples: samples))

    @classmethod
    def resumed(cls, restored: Restored, cursor: str, epoch: int = 2) -> "World":
        """A session taken over."""
        core = SessionCore("c", epoch, CONFIG, restored.options, lambda s: s, restored=restored, cursor=cursor)
        world = cls(core)
        world.take(core.come_back(restored, world.now))
        return world

    def take(self, effects: list[Effect]) -> list[Effect]:
        """Record effects."""
        self.effects += effects
        return effects

    def hear(self, vote: Vote, seconds: float, level: int = 3_000) -> list[Effect]:
        """Audio of one kind, chunk by chunk, at real time."""
        made: list[Effect] = []
        rng = np.random.default_rng(0)
        for _ in range(round(seconds * 16_000 / CHUNK)):
            loud = level if vote is SPEECH else 10
            samples = rng.integers(-loud, loud + 1, CHUNK).astype(np.int16)
            self.now += CHUNK / 16_000
            made += self.core.audio(samples, [vote], self.now)
        return self.take(made)

    def deliver(self, body: object, jobs: dict[str, str] | None = None, entry: str | None = None) -> list[Effect]:
        """A result from Redis; what ends something gets an entry id."""
        self.entries += 1
        final = isinstance(body, Transcript) and body.kind == "final"
        given = entry if entry is not None else (f"{self.entries}-0" if final else "")
        delivery = Delivery(id=given, jobs=jobs or {}, body=body)  # type: ignore[arg-type]
        return self.take(self.core.result(delivery, self.now))

    def jobs(self, kind: str | None = None) -> list[AudioJob]:
        """Audio jobs submitted so far."""
        found = [e.job for e in self.effects if isinstance(e, Submit)]
        return [job for job in found if kind is None or job.kind == kind]

    def texts(self) -> list[SubmitText]:
        """Text jobs submitted so far."""
        return [e for e in self.effects if isinstance(e, SubmitText)]

    def messages(self, kind: type[ServerMessage] | None = None) -> list[ServerMessage]:
        """What the client has been told."""
        return [
            e.message for e in self.effects if isinstance(e, Send) and (kind is None or isinstance(e.message, kind))
        ]

    def of(self, kind: type[Effect]) -> Iterator[Effect]:
        """Effects of one type."""
        return (effect for effect in self.effects if isinstance(effect, kind))


def transcript(job: AudioJob, text: str = "hello", **changes: object) -> Transcript:
    """What a worker would make of a job."""
    fields: dict[str, object] = {
        "segment": job.segment,
        "rev": job.rev,
        "kind": job.kind,
        "start": job.start,
        "end": job.end,
        "text": text,
        "language": "en",
        "language_probability": 0.9,
        "words": (Word(text=text, start=0.0, end=0.1, probability=0.9),),
        "processing_time": 0.1,
    }
    return Transcript(**(fields | changes))  # type: ignore[arg-type]
