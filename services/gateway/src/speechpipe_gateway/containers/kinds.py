"""Which containers are taken, what the first bytes say, and how much audio so few bytes may hold. Pure."""

from typing import Final, Literal, get_args

Container = Literal["webm", "ogg", "opus"]
"""``opus`` is none: each binary frame is one bare packet."""

CONTAINERS: Final[tuple[Container, ...]] = get_args(Container)

RATE: Final = 48_000
"""Of all decoded audio, Hz, mono int16: Opus knows no other (RFC 7845, section 5.1)."""

SNIFF_BYTES: Final = 4

_MAGIC: Final[dict[bytes, Literal["webm", "ogg", "wav"]]] = {b"\x1aE\xdf\xa3": "webm", b"OggS": "ogg", b"RIFF": "wav"}

FREE_SECONDS: Final = 60.0
LEAST_BYTES: Final = 100.0
"""Bytes for each second of audio: an eighth of Opus's lowest bit rate, 6 kbit/s (RFC 6716, section 2.1.1)."""
FASTEST: Final = 4.0


def container_of(declared: str) -> Container | None:
    """What a session's ``format`` must be unpacked from; None for samples, and for WAV."""
    return next((kind for kind in CONTAINERS if kind == declared), None)


def sniff(head: bytes) -> Literal["webm", "ogg", "wav"] | None:
    """What begins with these bytes, ``SNIFF_BYTES`` at least; None for anything else."""
    return _MAGIC.get(head[:SNIFF_BYTES])


def too_dense(seconds: float, size: int, elapsed: float) -> bool:
    """Whether a stream is made to be more to us than to who sent it.

    Somebody who speaks is never faster than the clock; a recording that is sent faster has more bytes.

    Args:
        seconds: of audio decoded so far.
        size: bytes that it came from.
        elapsed: seconds since the first of them.
    """
    return seconds > FREE_SECONDS + max(size / LEAST_BYTES, elapsed * FASTEST)
