"""The reference system's binary frame: ``u32 LE length`` + that many bytes of JSON metadata + PCM16LE."""

import re
import struct
from typing import Final

import msgspec

from speechpipe_gateway.media.errors import MediaError
from speechpipe_gateway.media.pcm import PcmFormat

MAX_METADATA_BYTES: Final = 4096

_JSON_OBJECT: Final = re.compile(rb"\s*\{\s*[\"}]")


class _Metadata(msgspec.Struct, frozen=True, rename="camel"):
    """What the gateway reads of the metadata; other fields are ignored."""

    sample_rate: int | None = None
    channels: int | None = None


def looks_legacy(frame: bytes) -> bool:
    """Whether a binary frame that came before any ``start`` is meant as a legacy frame: JSON follows four bytes.

    The length is not looked at, so that a wrong one gets the answer about legacy frames. Raw PCM is taken for a
    legacy frame once in millions of frames.
    """
    return _JSON_OBJECT.match(frame, 4) is not None


class LegacyReader:
    """Takes legacy frames, which all declare the same audio or nothing, and gives back their PCM bytes."""

    def __init__(self, default: PcmFormat) -> None:
        self._default = default
        self.format: PcmFormat | None = None
        """Known once the first frame has been read."""

    def read(self, frame: bytes) -> bytes:
        """The PCM16 bytes of one frame, whole sample frames; may be empty.

        Raises:
            MediaError: ``bad_frame``, ``odd_byte_count``, or the format is refused by :class:`PcmFormat`.
        """
        metadata, payload = _split(frame)
        known = self.format or self._default
        pcm = PcmFormat(
            known.sample_rate if metadata.sample_rate is None else metadata.sample_rate,
            known.channels if metadata.channels is None else metadata.channels,
            "s16",
        )
        if self.format is not None and pcm != known:
            raise MediaError(
                "bad_frame",
                f"the frame's metadata says {pcm.sample_rate} Hz and {pcm.channels} channels after "
                f"{known.sample_rate} Hz and {known.channels}; open a new connection to change the format",
            )
        pcm.check_aligned(len(payload))
        self.format = pcm
        return payload


def _split(frame: bytes) -> tuple[_Metadata, bytes]:
    if len(frame) < 4:
        raise MediaError(
            "bad_frame", f"the binary frame has {len(frame)} bytes, too few for the length of its metadata; send 4"
        )
    (size,) = struct.unpack_from("<I", frame)
    end = 4 + size
    if size > MAX_METADATA_BYTES or end > len(frame):
        raise MediaError(
            "bad_frame",
            f"the frame of {len(frame)} bytes says that its metadata has {size}; send a little-endian u32 of at most "
            f"{MAX_METADATA_BYTES}, the JSON, then the samples",
        )
    try:
        metadata = msgspec.json.decode(frame[4:end], type=_Metadata)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MediaError(
            "bad_frame", f'the frame\'s metadata cannot be read ({error}); send {{"sampleRate": 16000, "channels": 1}}'
        ) from error
    return metadata, frame[end:]
