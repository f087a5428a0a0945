"""Speech as browsers' recorders send it: Opus in WebM or Ogg, or packet by packet."""

from typing import Literal

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

RATE = 48_000
_LIVE = {"webm": {"live": "1", "cluster_time_limit": "1000"}, "ogg": {"page_duration": "200000"}}


class _Sink:
    """What a muxer writes, which cannot go back, as on a socket."""

    def __init__(self) -> None:
        self.written = bytearray()

    def write(self, piece: bytes) -> int:
        self.written += piece
        return len(piece)


def recorded(
    samples: NDArray[np.int16], rate: int, container: Literal["webm", "ogg"], codec: str = "libopus", channels: int = 1
) -> bytes:
    """The whole stream of one recorder."""
    sink = _Sink()
    layout = "mono" if channels == 1 else "stereo"
    with av.open(sink, "w", format=container, options=_LIVE[container]) as out:
        stream = out.add_stream(codec, rate=RATE, layout=layout)
        for frame in _frames(samples, rate, layout, stream.format.name):
            out.mux(stream.encode(frame))
        out.mux([packet for packet in stream.encode(None) if packet.size])
    return bytes(sink.written)


def packets(samples: NDArray[np.int16], rate: int) -> list[bytes]:
    """Opus without a container."""
    codec = av.CodecContext.create("libopus", "w")
    codec.sample_rate, codec.layout, codec.format = RATE, "mono", "s16"
    made = [packet for frame in _frames(samples, rate, "mono", "s16") for packet in codec.encode(frame)]
    return [bytes(packet) for packet in [*made, *codec.encode(None)]]


def cut(stream: bytes, size: int) -> list[bytes]:
    """In pieces of a size that no page or cluster has."""
    return [stream[begin : begin + size] for begin in range(0, len(stream), size)]


def _frames(samples: NDArray[np.int16], rate: int, layout: str, sample_format: str) -> list[AudioFrame]:
    frame = AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
    frame.sample_rate = rate
    resampler = AudioResampler(sample_format, layout, RATE, frame_size=960)
    return [*resampler.resample(frame), *resampler.resample(None)]


def bomb(hours: int) -> bytes:
    """Ogg pages full of one-byte packets of 120 ms of silence: an hour in 61 kB."""
    pages = [_page(0, 2, [b"OpusHead\x01\x01\x00\x00\x80\xbb\x00\x00\x00\x00\x00"])]
    pages.append(_page(1, 0, [b"OpusTags" + (4).to_bytes(4, "little") + b"made" + bytes(4)]))
    # Table of contents: SILK 60 ms, two frames of equal size, which is 0 (RFC 6716, sections 3.1 and 3.2.3).
    pages += [_page(2 + number, 0, [b"\x19"] * 250, (number + 1) * 250 * 5_760) for number in range(hours * 120)]
    return b"".join(pages)


def _page(number: int, kind: int, packets: list[bytes], granule: int = 0) -> bytes:
    """RFC 3533, section 6."""
    head = b"OggS\x00" + bytes([kind]) + granule.to_bytes(8, "little") + b"bomb" + number.to_bytes(4, "little")
    lacing = bytes([len(packets)]) + bytes(len(packet) for packet in packets)
    body = b"".join(packets)
    return head + _crc(head + bytes(4) + lacing + body).to_bytes(4, "little") + lacing + body


def _crc(data: bytes) -> int:
    value = 0
    for byte in data:
        value ^= byte << 24
        for _ in range(8):
            value = (value << 1 ^ 0x04C11DB7 if value & 0x8000_0000 else value << 1) & 0xFFFF_FFFF
    return value
