"""Conversion between the client's frames and samples of session audio, in whole numbers only."""

from dataclasses import dataclass

from speechpipe_common.keys import SAMPLE_RATE


@dataclass(frozen=True, slots=True)
class Offsets:
    """Both clocks start at 0 with the session; a client frame is one sample of each of its channels.

    Both directions round down, so both are monotone, and neither names audio that comes later than what was asked:
    ``to_client(to_session(n)) <= n`` and ``to_session(to_client(n)) <= n``, less than one unit of the coarser clock
    away. A client that is told to keep everything from ``to_client(x)`` on therefore holds session sample ``x``.
    """

    rate: int
    """Client frames a second."""

    def to_session(self, frames: int) -> int:
        """Session sample (16 kHz) during which the client's frame number ``frames`` begins."""
        return frames * SAMPLE_RATE // self.rate

    def to_client(self, samples: int) -> int:
        """Client frame during which session sample number ``samples`` begins."""
        return samples * self.rate // SAMPLE_RATE

    def length(self, frames: int) -> int:
        """Session samples that a whole stream of ``frames`` client frames becomes: rounded to nearest, halves up."""
        return (2 * frames * SAMPLE_RATE + self.rate) // (2 * self.rate)
