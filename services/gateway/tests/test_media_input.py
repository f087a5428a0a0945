"""AudioInput: any client's bytes become 16 kHz mono samples, in predictable number, or a MediaError."""

import json
import struct
from contextlib import suppress
from itertools import pairwise

import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from speechpipe_common.wire import SampleFormat, Start
from speechpipe_gateway.media import AudioInput, MediaError, Offsets, looks_legacy

RATES = (8_000, 8_001, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 96_000, 191_999, 192_000)


def noise(frames: int, channels: int = 1, seed: int = 0) -> NDArray[np.int16]:
    """Interleaved noise at about -20 dBFS."""
    return np.random.default_rng(seed).normal(0, 3_000, frames * channels).astype(np.int16)


def run(audio: AudioInput, frames: list[bytes]) -> NDArray[np.int16]:
    """All samples of a stream."""
    return np.concatenate([*(audio.feed(frame) for frame in frames), audio.finish()])


def legacy(payload: bytes, **metadata: object) -> bytes:
    """A legacy frame."""
    header = json.dumps(metadata).encode()
    return struct.pack("<I", len(header)) + header + payload


def test_16_khz_mono_passes_unchanged() -> None:
    """Samples that already have the session's format come out bit for bit, as they come in."""
    samples = np.array([0, 1, -1, 32_767, -32_768, 12_345], np.int16)
    audio = AudioInput(Start())
    assert audio.feed(samples.tobytes()).tolist() == samples.tolist()
    assert len(audio.finish()) == 0


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("frames", [0, 1, 2, 3, 100, 12_345])
def test_length_is_predictable(rate: int, frames: int) -> None:
    """After finish() the number of samples is the rounded number of 16 kHz samples, at every rate and length."""
    audio = AudioInput(Start(sample_rate=rate))
    data = noise(frames).tobytes()
    samples = run(audio, [data[i : i + 2 * 777] for i in range(0, len(data), 2 * 777)])
    assert len(samples) == audio.position == Offsets(rate).length(frames)
    assert abs(len(samples) - frames * 16_000 / rate) <= 0.5


def test_length_of_half_an_hour() -> None:
    """Thirty minutes at 44.1 kHz lose or gain no sample, so offsets do not drift."""
    audio = AudioInput(Start(sample_rate=44_100))
    second = noise(44_100).tobytes()
    total = sum(len(audio.feed(second)) for _ in range(1_800)) + len(audio.finish())
    assert total == 1_800 * 16_000


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000])
def test_real_speech_survives_any_rate(rate: int, clips: dict[str, NDArray[np.int16]]) -> None:
    """Speech sent in stereo at another rate comes back aligned to the sample, with errors far below the voice."""
    original = clips["en/quick_brown_fox"]
    there = soxr.resample(original, 16_000, rate, quality="VHQ")
    stereo = np.repeat(there, 2)
    frames = [stereo[i : i + 1920].tobytes() for i in range(0, len(stereo), 1920)]
    back = run(AudioInput(Start(sample_rate=rate, channels=2)), frames)
    band = min(rate, 16_000)
    reference = soxr.resample(soxr.resample(original, 16_000, band, quality="VHQ"), band, 16_000, quality="VHQ")
    n = min(len(back), len(reference))
    assert abs(len(back) - len(original)) <= 2
    error = back[:n].astype(float) - reference[:n]
    signal_to_error = 10 * np.log10(np.mean(reference[:n].astype(float) ** 2) / np.mean(error**2))
    assert signal_to_error > 25


def test_channels_are_averaged() -> None:
    """Each output sample is the mean of all channels of its frame, for as many as 32."""
    frames = np.arange(32 * 4, dtype=np.int16).reshape(4, 32) * 2
    assert run(AudioInput(Start(channels=32)), [frames.tobytes()]).tolist() == frames.mean(axis=1).tolist()


def test_f32_is_scaled_and_clipped() -> None:
    """Float samples have full scale 1; louder ones are clipped, however loud."""
    samples = np.array([0.0, 0.5, -1.0, 1.0, 7.0, -3e38], np.float32)
    out = run(AudioInput(Start(format="f32")), [samples.tobytes()])
    assert out.tolist() == [0, 16_384, -32_768, 32_767, 32_767, -32_768]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_f32_that_is_no_number_is_refused(value: float) -> None:
    """NaN and infinities are named by position instead of becoming noise."""
    with pytest.raises(MediaError, match=r"number 2 of") as caught:
        AudioInput(Start(format="f32")).feed(np.array([0, 0, value, 0], np.float32).tobytes())
    assert caught.value.code == "bad_sample"


@pytest.mark.parametrize("rate", [5_000, 7_999, 192_001, 384_000, 0, -1])
def test_rates_out_of_range_are_refused(rate: int) -> None:
    """5 kHz and 384 kHz are refused by name when the client declares them."""
    with pytest.raises(MediaError, match=str(rate)) as caught:
        AudioInput(Start(sample_rate=rate))
    assert caught.value.code == "unsupported_sample_rate"


@pytest.mark.parametrize("channels", [0, -1, 33])
def test_channel_counts_out_of_range_are_refused(channels: int) -> None:
    """Channel counts other than 1 to 32 are refused by name."""
    with pytest.raises(MediaError, match=f"has {channels} channels") as caught:
        AudioInput(Start(channels=channels))
    assert caught.value.code == "unsupported_channels"


@pytest.mark.parametrize(
    ("start", "size"),
    [(Start(), 3), (Start(channels=2), 6), (Start(format="f32"), 6), (Start(format="f32", channels=3), 8)],
)
def test_incomplete_samples_are_refused(start: Start, size: int) -> None:
    """A binary frame that does not hold whole samples of all channels is refused: its byte order would be a guess."""
    with pytest.raises(MediaError, match=f"{size} bytes") as caught:
        AudioInput(start).feed(bytes(size))
    assert caught.value.code == "odd_byte_count"


def test_legacy_frames_declare_their_audio() -> None:
    """The metadata's rate and channels hold from the first frame on, and later frames need not repeat them."""
    stereo = np.repeat(noise(4_800), 2).tobytes()
    audio = AudioInput(Start(format="legacy"))
    first = audio.feed(legacy(stereo, sampleRate=48_000, channels=2, note="ignored"))
    rest = np.concatenate([audio.feed(legacy(stereo)), audio.finish()])
    assert len(first) + len(rest) == 3_200
    assert (audio.format.sample_rate, audio.format.channels) == (48_000, 2)


def test_legacy_without_metadata_uses_the_default() -> None:
    """A frame with empty metadata has the rate that the start (or the server's default) names."""
    audio = AudioInput(Start(format="legacy", sample_rate=8_000))
    assert len(run(audio, [legacy(noise(800).tobytes())])) == 1_600


@pytest.mark.parametrize(
    ("frame", "code", "says"),
    [
        (b"", "bad_frame", "0 bytes"),
        (b"\x01\x00", "bad_frame", "2 bytes"),
        (struct.pack("<I", 1 << 30) + b'{"sampleRate": 16000}', "bad_frame", "1073741824"),
        (struct.pack("<I", 4097) + b" " * 5_000, "bad_frame", "4097"),
        (struct.pack("<I", 9) + b"{}", "bad_frame", "9"),
        (struct.pack("<I", 4) + b"[{]}", "bad_frame", "metadata"),
        (legacy(b"", sampleRate="fast"), "bad_frame", "sampleRate"),
        (legacy(b"\x00\x00\x00", sampleRate=16_000), "odd_byte_count", "3 bytes"),
        (legacy(b"", sampleRate=5_000), "unsupported_sample_rate", "5000"),
        (legacy(b"", sampleRate=0), "unsupported_sample_rate", "0 Hz"),
        (legacy(b"", sampleRate=10**30), "unsupported_sample_rate", "1000000"),
    ],
)
def test_bad_legacy_frames_are_refused(frame: bytes, code: str, says: str) -> None:
    """Each way in which a legacy frame can be wrong has its name, and the message holds the wrong value."""
    with pytest.raises(MediaError, match=says) as caught:
        AudioInput(Start(format="legacy")).feed(frame)
    assert caught.value.code == code


def test_legacy_rate_may_not_change() -> None:
    """A frame that declares another rate in mid-stream is refused instead of being played at the wrong speed."""
    audio = AudioInput(Start(format="legacy"))
    audio.feed(legacy(b"\0\0", sampleRate=16_000))
    with pytest.raises(MediaError, match=r"48000 Hz .* after 16000 Hz"):
        audio.feed(legacy(b"\0\0", sampleRate=48_000))


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (legacy(b"\0\0", sampleRate=16_000), True),
        (legacy(b""), True),
        (struct.pack("<I", 1 << 30) + b'{"sampleRate": 16000}', True),
        (b"", False),
        (b"RIFF\x24\x00\x00\x00WAVE", False),
        (noise(320).tobytes(), False),
    ],
)
def test_legacy_frames_are_recognised(frame: bytes, expected: bool) -> None:
    """A legacy frame is told from samples and WAV by the JSON after its length, even when that length is absurd."""
    assert looks_legacy(frame) is expected


def test_resumed_input_goes_on_at_its_offset() -> None:
    """A resumed connection's samples are numbered from the offset that the session had."""
    audio = AudioInput(Start(sample_rate=48_000), first_sample=12_345)
    run(audio, [noise(4_800).tobytes()])
    assert audio.position == 12_345 + 1_600


def test_resume_at_another_rate_is_refused() -> None:
    """A resumed stream whose header names another rate than the session's is refused: its offsets would be wrong."""
    audio = AudioInput(Start(format="legacy", sample_rate=16_000), first_sample=1_600)
    with pytest.raises(MediaError, match="48000 Hz, the session has 16000 Hz"):
        audio.feed(legacy(bytes(960), sampleRate=48_000))


def test_feeding_after_the_end_is_an_error_of_the_caller() -> None:
    """finish() twice gives nothing more, and feed() after it fails loudly."""
    audio = AudioInput(Start(sample_rate=48_000))
    assert len(run(audio, [noise(480).tobytes()])) == 160
    assert len(audio.finish()) == 0
    with pytest.raises(RuntimeError, match="after finish"):
        audio.feed(b"\0\0")


@given(st.integers(8_000, 192_000), st.integers(0, 1 << 40), st.integers(0, 1 << 20))
def test_offsets_are_monotone_and_never_late(rate: int, frames: int, more: int) -> None:
    """Both conversions keep the order, never name a later place, and lose less than one unit of the coarser clock."""
    offsets = Offsets(rate)
    assert offsets.to_session(frames) <= offsets.to_session(frames + more)
    assert offsets.to_client(frames) <= offsets.to_client(frames + more)
    assert 0 <= frames - offsets.to_client(offsets.to_session(frames)) <= max(1, -(-rate // 16_000))
    assert 0 <= frames - offsets.to_session(offsets.to_client(frames)) <= max(1, -(-16_000 // rate))
    assert AudioInput(Start(sample_rate=rate)).to_client(frames) == offsets.to_client(frames)


@settings(deadline=None, max_examples=60)
@given(st.data(), st.sampled_from(RATES), st.sampled_from(["s16", "f32"]), st.integers(1, 3))
def test_how_the_stream_is_cut_changes_nothing(
    data: st.DataObject, rate: int, encoding: SampleFormat, channels: int
) -> None:
    """The same audio cut into binary frames at any places gives the same samples."""
    samples = noise(3_000, channels)
    stream = samples.tobytes() if encoding == "s16" else (samples / 32_768).astype(np.float32).tobytes()
    unit = len(stream) // 3_000
    cuts = sorted(data.draw(st.lists(st.integers(0, 3_000), max_size=8)))
    edges = [0, *cuts, 3_000]
    pieces = [stream[a * unit : b * unit] for a, b in pairwise(edges)]
    start = Start(sample_rate=rate, format=encoding, channels=channels)
    assert np.array_equal(run(AudioInput(start), pieces), run(AudioInput(start), [stream]))


HEADS = [b"", b"RIFF", legacy(b"", sampleRate=44_100), struct.pack("<4sI4s", b"RIFF", 0, b"WAVE")]


@settings(deadline=None, max_examples=300)
@given(
    st.sampled_from(["s16", "f32", "wav", "legacy"]),
    st.integers(-1, 400_000),
    st.integers(-1, 40),
    st.sampled_from(HEADS),
    st.lists(st.binary(max_size=64), max_size=6),
)
def test_any_bytes_are_samples_or_a_media_error(
    encoding: SampleFormat, rate: int, channels: int, head: bytes, frames: list[bytes]
) -> None:
    """Whatever is declared and sent, the answer is int16 samples or a MediaError, never another exception."""
    frames = [head + b"".join(frames[:1]), *frames[1:]]
    with suppress(MediaError):
        assert run(AudioInput(Start(sample_rate=rate, channels=channels, format=encoding)), frames).dtype == np.int16
