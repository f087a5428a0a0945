"""Session audio as the engine wants it."""

from typing import Final

import numpy as np

from speechpipe_stt.engine import Audio

_PEAK: Final = 10 ** (-0.95 / 20)
"""-0.95 dBFS, the reference system's level."""

_SILENCE: Final = 10 ** (-60 / 20)
"""Below this peak there is only noise, and raising it would make speech of it."""


def from_pcm16(pcm: bytes) -> Audio:
    """Samples in [-1, 1) from mono PCM16LE bytes.

    Raises:
        ValueError: an odd number of bytes.
    """
    return np.frombuffer(pcm, dtype="<i2").astype(np.float32) / np.float32(32768)


def normalize(audio: Audio) -> Audio:
    """Scale so that the peak is at -0.95 dBFS; what peaks below -60 dBFS stays as it is."""
    peak = float(np.abs(audio).max(initial=0.0))
    return audio if peak < _SILENCE else audio * np.float32(_PEAK / peak)
