"""What a load has shown, as values that JSON can hold. Times are seconds, sizes bytes."""

from typing import Literal

import msgspec

from speechpipe_client.load.spread import Spread

Peer = Literal["speechpipe", "legacy", "faster-whisper"]


class StreamReport(msgspec.Struct, frozen=True):
    """One stream."""

    number: int
    language: str
    state: str
    utterances: int
    complete: int
    word_error_rate: float | None
    latency_p95: float | None
    resumed: int
    problems: list[str]


class ServerCost(msgspec.Struct, frozen=True):
    """What one of the loaded processes cost while the load was held."""

    name: str
    cores: float
    """CPU seconds a second."""
    memory_bytes: int
    """The most that was resident."""


class ClientCost(msgspec.Struct, frozen=True):
    """What the load itself cost, and whether it kept its times."""

    cores: float
    """CPU seconds a second."""
    machine_share: float
    """The same as a share of all cores."""
    late_p99: float
    """How late its frames went out."""
    late_max: float


class Stage(msgspec.Struct, frozen=True):
    """A load of so many streams. Latencies are of utterances that were spoken whole while the load was held."""

    streams: int
    seconds: float
    """How long it was held."""
    held: int
    """Streams that were there all the time."""
    refused: int
    failed: int
    cuts: int
    resumed: int
    errors: int
    """Errors that the peer told of, or that ended streams."""
    utterances: int
    complete: float | None
    """Share of the utterances that were finalised to their ends, with a text where it is known that there is one."""
    strays: int
    """Finals with a text that belong to nothing that was said."""
    final_latency: Spread | None
    """From the end of speech to its final."""
    beyond_silence: Spread | None
    """The same without the silence threshold, which has to pass before it is known that speech has ended."""
    first_partial: Spread | None
    """From the onset of speech to its first partial."""
    partial_gap: Spread | None
    """From one partial of a segment to the next."""
    word_error_rate: float | None
    """Over all words of all utterances whose text is known; what was not finalised counts as missing."""
    bytes_sent: int
    bytes_received: int
    client: ClientCost
    servers: list[ServerCost]
    limited_by_client: bool
    verdict: list[str]
    per_stream: list[StreamReport]
    finals_at: list[tuple[float, float]]
    """For each final: seconds after the load's beginning at which its speech ended, and its latency."""
    partials_at: list[tuple[float, float]]
    """The same for first partials, by the onset of speech."""
    stopped: bool = False
    """Whether somebody ended it before its time."""


class Report(msgspec.Struct, frozen=True):
    """A run of ``speechpipe load``."""

    peer: Peer
    speech: str
    silence: float
    """The silence threshold that was asked for; 0 for a peer that is told when speech ends."""
    frame_milliseconds: int
    cores: int
    stages: list[Stage]
    target: float | None = None
    """With ``--find-capacity``: the 95th percentile of ``beyond_silence`` that was to be kept."""
    capacity: int | None = None
    """Most streams that kept it; None where it was not looked for."""
    capacity_bounded: bool = True
    """False where no more streams were tried, so that it may be larger."""
