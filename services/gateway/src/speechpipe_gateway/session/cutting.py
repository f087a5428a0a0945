"""Where to cut a segment that has grown too long: at the quietest place, where a word is least likely."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

FRAME: Final = 160
"""10 ms: the resolution of the cut."""

SMOOTHING: Final = 12
"""Frames averaged: 120 ms, longer than the closure of a plosive, so that a cut lands between words."""


def quietest(pcm: NDArray[np.int16], earliest: int, latest: int) -> int:
    """Offset into ``pcm`` of the middle of its quietest 120 ms between two offsets.

    Args:
        pcm: int16 mono samples of the segment.
        earliest: first sample at which a cut is allowed.
        latest: last sample at which a cut is allowed.

    Returns:
        A multiple of 10 ms after ``earliest``; ``latest`` where the range is too short to choose in.
    """
    window = pcm[earliest:latest].astype(np.float32)
    frames = len(window) // FRAME
    if frames < SMOOTHING:
        return latest
    power = (window[: frames * FRAME].reshape(frames, FRAME) ** 2).mean(axis=1)
    smooth = np.convolve(power, np.ones(SMOOTHING, np.float32) / SMOOTHING, mode="valid")
    return earliest + (int(smooth.argmin()) + SMOOTHING // 2) * FRAME
