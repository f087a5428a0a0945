"""Recordings as files of every kind that people send."""

import io
import wave
from collections.abc import Mapping
from typing import Final

import av
import numpy as np
from speech import Clip

CONTAINERS: Final[Mapping[str, tuple[str, str, int]]] = {
    "mp3": ("mp3", "libmp3lame", 44_100),
    "m4a": ("ipod", "aac", 44_100),
    "mp4": ("mp4", "aac", 48_000),
    "webm": ("webm", "libopus", 48_000),
    "ogg": ("ogg", "libopus", 48_000),
    "oga": ("ogg", "vorbis", 44_100),
    "flac": ("flac", "flac", 44_100),
    "mpga": ("mp2", "mp2", 44_100),
    "mpeg": ("mpeg", "mp2", 44_100),
}
"""File name suffix to FFmpeg's names of container and encoder, and a sample rate that it takes."""


def wav(clip: Clip) -> bytes:
    """The recording as it is: mono, 16 bits."""
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(clip.rate)
        file.writeframes(clip.samples.astype("<i2").tobytes())
    return made.getvalue()


def encoded(clip: Clip, suffix: str) -> bytes:
    """The recording in one of ``CONTAINERS``."""
    container, codec, rate = CONTAINERS[suffix]
    made = io.BytesIO()
    with av.open(made, "w", format=container) as file:
        # FFmpeg's own Vorbis encoder calls itself experimental, and knows stereo only.
        stream = file.add_stream(codec, rate=rate, layout="stereo", options={"strict": "experimental"})
        assert isinstance(stream, av.AudioStream)
        fitting = av.AudioResampler(stream.format, "stereo", rate)
        frame = av.AudioFrame.from_ndarray(clip.samples.reshape(1, -1).astype(np.int16), "s16", "mono")
        frame.sample_rate = clip.rate
        for fitted in [*fitting.resample(frame), *fitting.resample(None)]:
            fitted.pts = None
            file.mux(stream.encode(fitted))
        file.mux(stream.encode(None))
    return made.getvalue()


def bomb(seconds: int, rate: int = 8_000) -> bytes:
    """Silence as FLAC, which is next to nothing."""
    made = io.BytesIO()
    with av.open(made, "w", format="flac") as file:
        stream = file.add_stream("flac", rate=rate, layout="mono")
        assert isinstance(stream, av.AudioStream)
        minute = np.zeros((1, 60 * rate), np.int16)
        for _ in range(seconds // 60):
            frame = av.AudioFrame.from_ndarray(minute, "s16", "mono")
            frame.sample_rate = rate
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return made.getvalue()
