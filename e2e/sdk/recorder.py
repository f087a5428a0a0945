"""Recordings as they come while they are made: from a browser's recorder, or over a telephone line."""

from fractions import Fraction

import av
import numpy as np
import soxr
from speech import Clip

LIVE = {"webm": {"live": "1", "cluster_time_limit": "1000"}, "ogg": {"page_duration": "200000"}}
"""A recorder knows no length and cannot go back to its header."""


class _Sink:
    """What a muxer writes; it cannot be sought in."""

    def __init__(self) -> None:
        self.written = bytearray()

    def write(self, piece: bytes) -> int:
        self.written += piece
        return len(piece)


def recorded(clip: Clip, container: str) -> bytes:
    """Opus in WebM or Ogg."""
    sink = _Sink()
    with av.open(sink, "w", format=container, options=LIVE[container]) as file:
        stream = file.add_stream("libopus", rate=48_000, layout="mono")
        frames = av.AudioResampler(stream.format, "mono", 48_000, frame_size=960)
        for frame in [*frames.resample(_frame(clip.samples, clip.rate)), *frames.resample(None)]:
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return bytes(sink.written)


def telephoned(clip: Clip) -> bytes:
    """G.711 mu-law at 8 kHz."""
    codec = av.CodecContext.create("pcm_mulaw", "w")
    codec.sample_rate, codec.layout, codec.format = 8_000, "mono", "s16"
    codec.time_base = Fraction(1, 8_000)
    slow = soxr.resample(clip.samples, clip.rate, 8_000).astype(np.int16)
    return b"".join(bytes(packet) for packet in [*codec.encode(_frame(slow, 8_000)), *codec.encode(None)])


def _frame(samples: np.ndarray, rate: int) -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
    frame.sample_rate = rate
    return frame
