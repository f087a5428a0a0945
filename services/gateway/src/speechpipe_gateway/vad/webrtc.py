"""WebRTC's voice activity detector on 10 ms frames, with the level of quiet speakers raised for it."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import webrtcvad
from numpy.typing import NDArray

from speechpipe_common.keys import SAMPLE_BYTES, SAMPLE_RATE
from speechpipe_gateway.vad.votes import CHUNK_SAMPLES

FRAME_BYTES: Final = SAMPLE_RATE // 100 * SAMPLE_BYTES

_CHUNK_BYTES: Final = CHUNK_SAMPLES * SAMPLE_BYTES

_TARGET_PEAK: Final = 8_192.0
_MAX_GAIN: Final = 31.0
"""Raise the peak of the last seconds to -12 dBFS, by 30 dB at most. WebRTC's thresholds are absolute levels: at
aggressiveness 3 and 35 dB below normal it hears nothing at all in 29 of 34 clips, raised it hears all of them."""

_HALF_LIFE_SECONDS: Final = 10.0
"""Of the remembered peak: longer than a pause, shorter than the wait after a slammed door."""

_FADE: Final = 0.5 ** (CHUNK_SAMPLES / (SAMPLE_RATE * _HALF_LIFE_SECONDS))


class WebRtc:
    """One session's detector.

    Args:
        aggressiveness: 0 (lets most through) to 3 (lets least through).
    """

    def __init__(self, aggressiveness: int) -> None:
        self.peak = 1.0
        """Loudest sample of the last seconds."""
        self._is_speech = webrtcvad.Vad(aggressiveness).is_speech
        self._carry = b""

    def feed(self, levelled: bytes) -> bool:
        """Whether most of the 10 ms frames that this piece of levelled audio completes are speech."""
        whole_piece = self._carry + levelled
        whole = len(whole_piece) - len(whole_piece) % FRAME_BYTES
        self._carry = whole_piece[whole:]
        is_speech, speech = self._is_speech, 0
        for at in range(0, whole, FRAME_BYTES):
            speech += is_speech(whole_piece[at : at + FRAME_BYTES], SAMPLE_RATE)
        return 2 * speech * FRAME_BYTES > whole


def feed_all(detectors: Sequence[WebRtc], chunks: NDArray[np.int16], peaks: NDArray[np.int32]) -> list[bool]:
    """What each detector says of its chunk; they are levelled all at once.

    Args:
        detectors: ``n`` sessions.
        chunks: shape ``(n, 512)``, the next 32 ms of each.
        peaks: the largest magnitude in each, shape ``(n,)``.
    """
    blob = _level(detectors, chunks, peaks).tobytes()
    pieces = (blob[at : at + _CHUNK_BYTES] for at in range(0, len(blob), _CHUNK_BYTES))
    return [detector.feed(piece) for detector, piece in zip(detectors, pieces, strict=True)]


def _level(detectors: Sequence[WebRtc], chunks: NDArray[np.int16], peaks: NDArray[np.int32]) -> NDArray[np.int16]:
    faded = np.array([detector.peak for detector in detectors]) * _FADE
    loudest = np.maximum(np.maximum(peaks, faded), 1.0)
    for detector, peak in zip(detectors, loudest.tolist(), strict=True):
        detector.peak = peak
    # gain * loudest <= target: no clipping is needed; a gain of 1 changes no sample
    gains = np.clip(_TARGET_PEAK / loudest, 1.0, _MAX_GAIN).astype(np.float32)
    levelled: NDArray[np.int16] = (chunks * gains[:, np.newaxis]).astype(np.int16)
    return levelled
