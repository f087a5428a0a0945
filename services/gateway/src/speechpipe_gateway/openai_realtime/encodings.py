"""Formats of audio that the protocol knows."""

from dataclasses import dataclass
from typing import Final

from speechpipe_common.wire import SampleFormat


@dataclass(frozen=True, slots=True)
class Encoding:
    """A format of audio.

    Attributes:
        name: by which it is configured.
        beta: by which it was configured before.
        native: what a session calls it.
        rate: Hz.
        width: bytes of a sample.
    """

    name: str
    beta: str
    native: SampleFormat
    rate: int
    width: int


ENCODINGS: Final = (
    Encoding("audio/pcm", "pcm16", "s16", 24_000, 2),
    Encoding("audio/pcmu", "g711_ulaw", "mulaw", 8_000, 1),
    Encoding("audio/pcma", "g711_alaw", "alaw", 8_000, 1),
)
