"""What a session is told when it begins: lengths in samples of 16 kHz audio, times in seconds."""

from dataclasses import dataclass

from speechpipe_common.keys import SAMPLE_RATE


@dataclass(frozen=True, slots=True)
class SessionConfig:
    """How a session listens and how it treats its jobs.

    Attributes:
        pre_speech: samples kept in front of an onset.
        silence: samples of silence that end a turn.
        candidate: samples of silence after which the whole segment is sent as a candidate.
        longest: samples after which a segment is cut.
        min_speech: samples of speech below which an onset was none.
        partial_every: new samples that a partial must bring.
        partials: whether partials are made at all.
        partial_seconds: how long a partial in flight blocks the next one.
        resubmit_seconds: after how long a final or translation that has not come is submitted again.
        max_pending: segments waiting for their final beyond which no more audio is taken.
        deepest_queue: jobs in the stream beyond which partials are not made.
        ack_every: samples by which ``audio_ack`` moves on.
    """

    pre_speech: int
    silence: int
    candidate: int
    longest: int
    min_speech: int
    partial_every: int
    partials: bool
    partial_seconds: float
    resubmit_seconds: float
    max_pending: int
    deepest_queue: int
    ack_every: int

    @property
    def silence_seconds(self) -> float:
        """Wall-clock silence that ends a turn when no audio comes at all."""
        return self.silence / SAMPLE_RATE


@dataclass(frozen=True, slots=True)
class Options:
    """What a segment is decoded with; kept from its onset on, whatever is changed meanwhile.

    Attributes:
        source: spoken language, or None to detect it.
        targets: languages to translate finals into.
        prompt: text that comes before, for names and spelling.
        hotwords: words to expect.
        words: whether the times of words are wanted.
    """

    source: str | None = None
    targets: tuple[str, ...] = ()
    prompt: str = ""
    hotwords: str = ""
    words: bool = True
