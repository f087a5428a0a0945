"""A client's binary frames to session audio."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from speechpipe_common.wire import Start
from speechpipe_gateway.containers.kinds import RATE
from speechpipe_gateway.media.errors import MediaError
from speechpipe_gateway.media.legacy import LegacyReader
from speechpipe_gateway.media.offsets import Offsets
from speechpipe_gateway.media.pcm import PcmFormat, to_int16, to_mono
from speechpipe_gateway.media.resample import Resampler
from speechpipe_gateway.media.wav import WavReader


class _Reader(Protocol):
    format: PcmFormat | None

    def read(self, frame: bytes) -> bytes: ...


class _RawReader:
    """Frames that are nothing but samples."""

    def __init__(self, pcm: PcmFormat) -> None:
        self.format: PcmFormat | None = pcm
        self._pcm = pcm

    def read(self, frame: bytes) -> bytes:
        self._pcm.check_aligned(len(frame))
        return frame


class AudioInput:
    """One connection's audio: bytes in the declared format in, 16 kHz mono int16 samples out.

    Memory does not grow with the stream. A connection that resumes a session makes a new input with ``first_sample``;
    its ``start`` carries the rate that the session has, and a WAV stream sends its header again.

    Args:
        start: What the client declared. For ``wav`` the header decides rate and channels; for ``legacy`` the first
            frame's metadata does, as far as it names them. A container is unpacked before it comes here.
        first_sample: Session offset (samples) of the first frame that this connection sends.

    Raises:
        MediaError: ``unsupported_sample_rate`` or ``unsupported_channels``.
    """

    def __init__(self, start: Start, first_sample: int = 0) -> None:
        self._declared = _declared(start)
        self._reader: _Reader
        if start.format == "wav":
            self._reader = WavReader()
        elif start.format == "legacy":
            self._reader = LegacyReader(self._declared)
        else:
            self._reader = _RawReader(self._declared)
        self._resampler: Resampler | None = None
        self._first_sample = first_sample
        self._position = first_sample
        self._finished = False

    @property
    def format(self) -> PcmFormat:
        """Rate, channels and encoding of the client's audio; as declared until a header has said otherwise."""
        return self._reader.format or self._declared

    @property
    def position(self) -> int:
        """Session offset of the next sample that :meth:`feed` or :meth:`finish` will return."""
        return self._position

    def to_session(self, frames: int) -> int:
        """Session offset of the client's frame number ``frames`` of the session; see :class:`Offsets`."""
        return Offsets(self.format.sample_rate).to_session(frames)

    def to_client(self, samples: int) -> int:
        """Client frame, counted from the session's start, of session offset ``samples``; see :class:`Offsets`."""
        return Offsets(self.format.sample_rate).to_client(samples)

    def feed(self, frame: bytes) -> NDArray[np.int16]:
        """Session samples that became ready with this binary frame, shape ``(n,)``; ``n`` may be 0.

        Raises:
            MediaError: the frame is refused, with the reason; see there for the codes.
            RuntimeError: called after :meth:`finish`.
        """
        if self._finished:
            raise RuntimeError("audio was fed after finish(); make a new AudioInput")
        payload = self._reader.read(frame)
        if not payload:
            return np.zeros(0, np.int16)
        return self._emit(self._open_resampler().feed(to_mono(payload, self.format)))

    def finish(self) -> NDArray[np.int16]:
        """The samples still inside the resampler; then ``round(frames * 16000 / rate)`` have come out in all.

        An incomplete last frame of a WAV stream is dropped. Later calls return nothing.
        """
        rest = np.zeros(0, np.float32)
        if self._resampler is not None and not self._finished:
            rest = self._resampler.finish()
        self._finished = True
        return self._emit(rest)

    def _open_resampler(self) -> Resampler:
        """Made with the first samples: only then is the rate certain, and a session that never speaks pays nothing."""
        if self._resampler is None:
            rate, expected = self.format.sample_rate, self._declared.sample_rate
            if self._first_sample and rate != expected:
                raise MediaError(
                    "bad_wav" if isinstance(self._reader, WavReader) else "bad_frame",
                    f"the resumed audio has {rate} Hz, the session has {expected} Hz; resume at the session's rate",
                )
            self._resampler = Resampler(rate)
        return self._resampler

    def _emit(self, signal: NDArray[np.float32]) -> NDArray[np.int16]:
        self._position += len(signal)
        return to_int16(signal)


def _declared(start: Start) -> PcmFormat:
    match start.format:
        case "webm" | "ogg" | "opus":
            return PcmFormat(RATE, 1, "s16")
        case "wav" | "legacy":
            return PcmFormat(start.sample_rate, start.channels, "s16")
        case raw:
            return PcmFormat(start.sample_rate, start.channels, raw)
