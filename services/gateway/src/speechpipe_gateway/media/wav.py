"""WAV (RIFF/WAVE) as a stream: the header in pieces of any size, then the samples."""

import struct
from typing import Final

from speechpipe_gateway.media.errors import MediaError
from speechpipe_gateway.media.pcm import Encoding, PcmFormat

MAX_EXTRA_BYTES: Final = 1 << 20
"""Bytes of other chunks taken before the samples, and of anything after them."""

_STREAM_SIZES: Final = (0, 0xFFFFFFFF)
"""Sizes of the data chunk that writers put into a header when they cannot know it."""

_PCM: Final = 1
_FLOAT: Final = 3
_EXTENSIBLE: Final = 0xFFFE
_ENCODINGS: Final[dict[tuple[int, int], Encoding]] = {(_PCM, 16): "s16", (_FLOAT, 32): "f32"}
_SUBFORMAT_TAIL: Final = bytes.fromhex("000000001000800000aa00389b71")
"""Last 14 bytes of every ``KSDATAFORMAT_SUBTYPE`` GUID that wraps a format tag (Microsoft, WAVEFORMATEXTENSIBLE)."""

_FMT_SIZES: Final = range(16, 65)


class WavReader:
    """Takes the bytes of one WAV stream in any pieces and gives back the sample bytes in whole frames.

    Holds at most a chunk header, a ``fmt`` chunk or part of one frame, whatever the length of the stream.
    """

    def __init__(self) -> None:
        self._pending = b""
        self._skip = 0
        self._extra = 0
        self._seen_riff = False
        self._in_data = False
        self._left: int | None = None
        self.format: PcmFormat | None = None
        """Known once the ``fmt`` chunk has been read."""

    def read(self, piece: bytes) -> bytes:
        """The sample bytes that ``piece`` completes; may be empty.

        Raises:
            MediaError: ``bad_wav``, or the format is refused by :class:`PcmFormat`.
        """
        self._pending += piece
        while not self._in_data:
            if not self._parse_next():
                return b""
        return self._take_samples()

    def _parse_next(self) -> bool:
        """Consume the next element of the header; False when more bytes are needed."""
        if self._skip:
            skipped = min(self._skip, len(self._pending))
            self._pending = self._pending[skipped:]
            self._skip -= skipped
            return self._skip == 0
        if not self._seen_riff:
            return self._parse_riff()
        if len(self._pending) < 8:
            return False
        name, size = struct.unpack_from("<4sI", self._pending)
        if name == b"fmt ":
            return self._parse_fmt(size)
        if name == b"data":
            self._begin_data(size)
        else:
            self._skip_chunk(size)
        self._pending = self._pending[8:]
        return True

    def _parse_riff(self) -> bool:
        head = self._pending[:4]
        if not b"RIFF".startswith(head):
            raise MediaError("bad_wav", f"the audio begins with {head!r}, not with a RIFF header; send a WAV file")
        if len(self._pending) < 12:
            return False
        kind = self._pending[8:12]
        if kind != b"WAVE":
            raise MediaError("bad_wav", f"the RIFF file is of type {kind!r}, not b'WAVE'; send a WAV file")
        self._pending = self._pending[12:]
        self._seen_riff = True
        return True

    def _parse_fmt(self, size: int) -> bool:
        if self.format is not None or size not in _FMT_SIZES:
            raise MediaError(
                "bad_wav", f"the WAV header has a second fmt chunk or one of {size} bytes; write the file again"
            )
        if len(self._pending) < 8 + size:
            return False
        self.format = _parse_format(self._pending[8 : 8 + size])
        self._pending = self._pending[8 + size :]
        self._skip = size % 2
        return True

    def _begin_data(self, size: int) -> None:
        if self.format is None:
            raise MediaError("bad_wav", "the WAV header has its data chunk before its fmt chunk; write the file again")
        self._in_data = True
        self._left = None if size in _STREAM_SIZES else size - size % self.format.frame_bytes

    def _skip_chunk(self, size: int) -> None:
        padded = size + size % 2  # chunks are word-aligned
        self._count_extra(padded)
        self._skip = padded

    def _count_extra(self, size: int) -> None:
        self._extra += size
        if self._extra > MAX_EXTRA_BYTES:
            raise MediaError(
                "bad_wav",
                f"the WAV file has {self._extra} bytes beside its samples, more than {MAX_EXTRA_BYTES}; leave out "
                "pictures and tags, and give a live stream's data chunk the size 0 or 0xFFFFFFFF",
            )

    def _take_samples(self) -> bytes:
        if self.format is None:  # _begin_data refuses that
            raise AssertionError("data without a format")
        ready = len(self._pending) - len(self._pending) % self.format.frame_bytes
        if self._left is not None:
            ready = min(ready, self._left)
            self._left -= ready
        samples, self._pending = self._pending[:ready], self._pending[ready:]
        if self._left == 0:
            self._count_extra(len(self._pending))
            self._pending = b""
        return samples


def _parse_format(body: bytes) -> PcmFormat:
    tag, channels, rate, _, align, bits = struct.unpack_from("<HHIIHH", body)
    if tag == _EXTENSIBLE:
        if len(body) < 40 or body[26:40] != _SUBFORMAT_TAIL:
            raise MediaError("bad_wav", "the WAV header's extensible format names no known codec; send PCM16 or float")
        (tag,) = struct.unpack_from("<H", body, 24)
    encoding = _ENCODINGS.get((tag, bits))
    if encoding is None:
        raise MediaError(
            "bad_wav", f"the WAV file holds format tag {tag} with {bits} bits; send 16-bit PCM (1) or 32-bit float (3)"
        )
    pcm = PcmFormat(rate, channels, encoding)
    if align != pcm.frame_bytes:
        raise MediaError(
            "bad_wav", f"the WAV header says {align} bytes a frame, its format needs {pcm.frame_bytes}; write it again"
        )
    return pcm
