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
        silence: a sample of it.
    """

    name: str
    beta: str
    native: SampleFormat
    rate: int
    width: int
    silence: bytes

    def silent(self, milliseconds: int) -> bytes:
        """Audio in which there is nothing."""
        return self.silence * (self.rate * milliseconds // 1_000)


ENCODINGS: Final = (
    Encoding("audio/pcm", "pcm16", "s16", 24_000, 2, b"\0\0"),
    Encoding("audio/pcmu", "g711_ulaw", "mulaw", 8_000, 1, b"\xff"),
    Encoding("audio/pcma", "g711_alaw", "alaw", 8_000, 1, b"\xd5"),
)
