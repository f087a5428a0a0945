"""From the client's rate to 16 kHz, in a stream of bounded state and predictable length."""

from typing import Final

import numpy as np
import soxr
from numpy.typing import NDArray

from speechpipe_common.keys import SAMPLE_RATE
from speechpipe_gateway.media.offsets import Offsets

_QUALITY: Final = "MQ"
"""16 bits of precision, all that int16 can hold, for about 55 kB a stream at any rate; the next better setting holds
265 kB at odd rates and has twice the delay at 96 kHz and above. Measured: 38 ms at 44.1 and 48 kHz, 117 ms at 8."""


class Resampler:
    """Mono float32 in, mono float32 at 16 kHz out; the bytes' split into calls changes no output sample.

    Output trails input by the filter's delay until :meth:`finish`, which brings the total to ``Offsets.length``.
    """

    def __init__(self, rate: int) -> None:
        self._offsets = Offsets(rate)
        self._stream = None if rate == SAMPLE_RATE else soxr.ResampleStream(rate, SAMPLE_RATE, 1, quality=_QUALITY)
        self._frames = 0
        self._samples = 0

    def feed(self, signal: NDArray[np.float32]) -> NDArray[np.float32]:
        """Session samples that became ready."""
        self._frames += len(signal)
        ready = signal if self._stream is None else self._stream.resample_chunk(signal)
        self._samples += len(ready)
        return ready

    def finish(self) -> NDArray[np.float32]:
        """The rest; call once, nothing may be fed afterwards."""
        missing = self._offsets.length(self._frames) - self._samples
        if self._stream is None or missing <= 0:
            return np.zeros(0, np.float32)
        rest = self._stream.resample_chunk(np.zeros(0, np.float32), last=True)[:missing]
        # soxr's own count agrees at every rate tried; the contract must not hang on its rounding of halves.
        return np.pad(rest, (0, missing - len(rest)))
