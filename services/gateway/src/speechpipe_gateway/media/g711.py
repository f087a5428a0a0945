"""Telephone audio: the 8-bit companded samples of ITU-T G.711, by table."""

from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

Law = Literal["mulaw", "alaw"]

_SIGN: Final = 0x80
_MULAW_BIAS: Final = 33
_MULAW_SCALE: Final = 4
"""µ-law values have 14 bits, A-law values 13; both are given here as 16."""
_ALAW_SCALE: Final = 8
_ALAW_EVEN_BITS: Final = 0x55


def _mulaw() -> NDArray[np.float32]:
    """Table 2a of the recommendation: sent inverted; sign, three bits of segment, four of interval."""
    codes = ~np.arange(256) & 0xFF
    segment, interval = codes >> 4 & 0x7, codes & 0xF
    magnitude = ((2 * interval + _MULAW_BIAS) << segment) - _MULAW_BIAS
    return _signed(magnitude * _MULAW_SCALE, negative=codes & _SIGN != 0)


def _alaw() -> NDArray[np.float32]:
    """Table 1a of the recommendation: sent with its even bits inverted; a set sign bit means positive."""
    codes = np.arange(256) ^ _ALAW_EVEN_BITS
    segment, interval = codes >> 4 & 0x7, codes & 0xF
    middle = 2 * interval + 1
    magnitude = np.where(segment == 0, middle, (middle + 32) << np.maximum(segment - 1, 0))
    return _signed(magnitude * _ALAW_SCALE, negative=codes & _SIGN == 0)


def _signed(magnitude: NDArray[np.int64], *, negative: NDArray[np.bool_]) -> NDArray[np.float32]:
    scaled: NDArray[np.float32] = (np.where(negative, -magnitude, magnitude) / 32_768).astype(np.float32)
    return scaled


_TABLES: Final[dict[Law, NDArray[np.float32]]] = {"mulaw": _mulaw(), "alaw": _alaw()}


def expand(payload: bytes, law: Law) -> NDArray[np.float32]:
    """One sample in [-1, 1] for each byte; every byte is one."""
    samples: NDArray[np.float32] = _TABLES[law][np.frombuffer(payload, np.uint8)]
    return samples
