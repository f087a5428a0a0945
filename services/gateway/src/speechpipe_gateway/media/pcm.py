"""Raw sample bytes to mono float32, and back to the session's int16."""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from speechpipe_gateway.media.errors import MediaError
from speechpipe_gateway.media.g711 import expand

Encoding = Literal["s16", "f32", "mulaw", "alaw"]

MIN_RATE: Final = 8_000
"""Telephony; below it Whisper has too little of the speech band."""
MAX_RATE: Final = 192_000
MAX_CHANNELS: Final = 32

_WIDTHS: Final[dict[Encoding, int]] = {"s16": 2, "f32": 4, "mulaw": 1, "alaw": 1}
_FULL_SCALE: Final = 32_768


@dataclass(frozen=True, slots=True)
class PcmFormat:
    """Interleaved samples, little-endian; construction refuses what the gateway does not take.

    Raises:
        MediaError: ``unsupported_sample_rate`` or ``unsupported_channels``.
    """

    sample_rate: int
    channels: int
    encoding: Encoding

    def __post_init__(self) -> None:
        if not MIN_RATE <= self.sample_rate <= MAX_RATE:
            raise MediaError(
                "unsupported_sample_rate",
                f"the sample rate is {self.sample_rate} Hz; send audio between {MIN_RATE} and {MAX_RATE} Hz",
            )
        if not 1 <= self.channels <= MAX_CHANNELS:
            raise MediaError(
                "unsupported_channels",
                f"the audio has {self.channels} channels; send between 1 and {MAX_CHANNELS}",
            )

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of each channel."""
        return self.channels * _WIDTHS[self.encoding]

    def check_aligned(self, size: int) -> None:
        """Refuse ``size`` bytes that do not hold whole frames.

        Raises:
            MediaError: ``odd_byte_count``.
        """
        if size % self.frame_bytes:
            raise MediaError(
                "odd_byte_count",
                f"a binary frame holds {size} bytes of audio, which is no multiple of {self.frame_bytes} "
                f"({self.channels} channels of {self.encoding}); send whole samples of all channels in each frame",
            )


def to_mono(payload: bytes, pcm: PcmFormat) -> NDArray[np.float32]:
    """Mean of all channels in [-1, 1], one value for each frame of ``payload`` (a whole number of frames).

    Louder float samples are clipped first, so that no sum overflows.

    Raises:
        MediaError: ``bad_sample`` for a float that is NaN or infinite.
    """
    match pcm.encoding:
        case "f32":
            scaled = _floats(payload)
        case "s16":
            scaled = _integers(payload)
        case law:
            scaled = expand(payload, law)
    if pcm.channels == 1:
        return scaled
    mono: NDArray[np.float32] = scaled.reshape(-1, pcm.channels).mean(axis=1, dtype=np.float32)
    return mono


def _integers(payload: bytes) -> NDArray[np.float32]:
    return np.frombuffer(payload, dtype="<i2").astype(np.float32) / np.float32(_FULL_SCALE)


def _floats(payload: bytes) -> NDArray[np.float32]:
    samples = np.frombuffer(payload, dtype="<f4")
    finite = np.isfinite(samples)
    if not finite.all():
        where = int(np.argmin(finite))
        raise MediaError(
            "bad_sample",
            f"float sample number {where} of a binary frame is {samples[where]}; send finite samples in [-1, 1]",
        )
    clipped: NDArray[np.float32] = np.clip(samples, -1.0, 1.0).astype(np.float32)
    return clipped


def to_int16(signal: NDArray[np.float32]) -> NDArray[np.int16]:
    """Nearest int16 of a signal whose full scale is 1, clipped; the exact inverse of :func:`to_mono` for mono s16."""
    scaled = np.rint(signal * np.float32(_FULL_SCALE))
    samples: NDArray[np.int16] = np.clip(scaled, -_FULL_SCALE, _FULL_SCALE - 1).astype(np.int16)
    return samples
