"""Telephone audio: every byte of both laws of G.711, and speech that went through them."""

from fractions import Fraction

import av
import numpy as np
import pytest
import soxr
from av.codec.context import CodecContext
from numpy.typing import NDArray

from speechpipe_common.wire import SampleFormat, Start
from speechpipe_gateway.media import AudioInput

LAWS: tuple[tuple[SampleFormat, str], ...] = (("mulaw", "pcm_mulaw"), ("alaw", "pcm_alaw"))
CODES = bytes(range(256))


def by_ffmpeg(codec: str, payload: bytes) -> NDArray[np.int16]:
    """What FFmpeg makes of G.711 bytes."""
    context = CodecContext.create(codec, "r")
    assert isinstance(context, av.AudioCodecContext)
    context.sample_rate, context.layout = 16_000, "mono"
    frames = context.decode(av.Packet(payload))
    return np.concatenate([frame.to_ndarray().ravel() for frame in frames])


def to_g711(codec: str, samples: NDArray[np.int16]) -> bytes:
    """G.711 bytes of samples, made by FFmpeg."""
    context = CodecContext.create(codec, "w")
    assert isinstance(context, av.AudioCodecContext)
    context.sample_rate, context.layout, context.format = 8_000, "mono", "s16"
    context.time_base = Fraction(1, 8_000)
    frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
    frame.sample_rate = 8_000
    return b"".join(bytes(packet) for packet in [*context.encode(frame), *context.encode(None)])


@pytest.mark.parametrize(("law", "codec"), LAWS)
def test_every_byte_is_what_ffmpeg_says(law: SampleFormat, codec: str) -> None:
    """All 256 codes of both laws expand to the very samples that FFmpeg makes of them."""
    assert AudioInput(Start(format=law)).feed(CODES).tolist() == by_ffmpeg(codec, CODES).tolist()


def test_the_standards_own_values() -> None:
    """The ends and the middle of the scales are those of ITU-T G.711, tables 1a to 2b, at 16 bits."""
    mulaw = AudioInput(Start(format="mulaw")).feed(bytes([0x80, 0x00, 0xFF, 0x7F, 0xFE]))
    assert mulaw.tolist() == [8031 * 4, -8031 * 4, 0, 0, 2 * 4]
    alaw = AudioInput(Start(format="alaw")).feed(bytes([0xAA, 0x2A, 0xD5, 0x55]))
    assert alaw.tolist() == [4032 * 8, -4032 * 8, 8, -8]


@pytest.mark.parametrize(("law", "codec"), LAWS)
def test_a_phone_call_comes_out_as_speech(law: SampleFormat, codec: str, clips: dict[str, NDArray[np.int16]]) -> None:
    """Speech sent at 8 kHz in odd pieces is at 16 kHz what was compressed, 30 dB over its noise."""
    original = soxr.resample(clips["en/quick_brown_fox"], 16_000, 8_000, quality="VHQ")
    payload = to_g711(codec, original)
    assert len(payload) == len(original)
    audio = AudioInput(Start(format=law, sample_rate=8_000))
    pieces = [audio.feed(payload[i : i + 161]) for i in range(0, len(payload), 161)]
    back = np.concatenate([*pieces, audio.finish()]).astype(float)
    reference = soxr.resample(original, 8_000, 16_000, quality="VHQ").astype(float)
    error = back - reference
    assert 10 * np.log10(np.mean(reference**2) / np.mean(error**2)) > 30


def test_channels_are_interleaved() -> None:
    """A stereo call is two bytes to a frame."""
    audio = AudioInput(Start(format="alaw", channels=2))
    assert audio.feed(bytes([0xAA, 0x2A, 0xAA, 0xAA])).tolist() == [0, 4032 * 8]
