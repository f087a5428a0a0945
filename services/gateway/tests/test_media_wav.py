"""WAV streams: headers in pieces, of many writers, and the ways in which they are wrong."""

import io
import struct
import tracemalloc
import wave
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from speechpipe_common.wire import Start
from speechpipe_gateway.media import AudioInput, MediaError

SAMPLES = np.arange(-500, 500, dtype=np.int16)
SUBFORMAT_TAIL = bytes.fromhex("000000001000800000aa00389b71")


def chunk(name: bytes, body: bytes, size: int | None = None) -> bytes:
    """A RIFF chunk, padded to an even length, with a true or a false size."""
    return name + struct.pack("<I", len(body) if size is None else size) + body + b"\0" * (len(body) % 2)


def fmt(tag: int = 1, channels: int = 1, rate: int = 16_000, bits: int = 16, extra: bytes = b"") -> bytes:
    """A ``fmt`` chunk."""
    align = channels * bits // 8
    return chunk(b"fmt ", struct.pack("<HHIIHH", tag, channels, rate, rate * align, align, bits) + extra)


def riff(*chunks: bytes) -> bytes:
    """A WAV file of the given chunks."""
    body = b"".join(chunks)
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WAVE" + body


def read(*frames: bytes) -> NDArray[np.int16]:
    """All samples of a WAV stream."""
    audio = AudioInput(Start(format="wav"))
    return np.concatenate([*(audio.feed(frame) for frame in frames), audio.finish()])


DATA = chunk(b"data", SAMPLES.tobytes())
EXTENSIBLE = struct.pack("<HHI", 22, 16, 4) + struct.pack("<H", 1) + SUBFORMAT_TAIL


def test_a_file_of_the_standard_library_is_read() -> None:
    """What Python's own wave module writes comes out sample for sample, at the header's rate, not the declared one."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(2)
        writer.setsampwidth(2)
        writer.setframerate(16_000)
        writer.writeframes(np.repeat(SAMPLES, 2).tobytes())
    audio = AudioInput(Start(format="wav", sample_rate=48_000))
    assert audio.feed(file.getvalue()).tolist() == SAMPLES.tolist()
    assert audio.format.channels == 2
    assert audio.format.sample_rate == 16_000


@pytest.mark.parametrize(
    "header",
    [
        fmt(),
        fmt(extra=b"\0\0"),
        fmt(0xFFFE, extra=EXTENSIBLE),
        chunk(b"LIST", b"odd") + fmt() + chunk(b"fact", b"\0\0\0\0") + chunk(b"PEAK", b"x" * 5_000),
    ],
)
def test_headers_of_many_writers_are_read(header: bytes) -> None:
    """Plain, extended and extensible formats are read, and other chunks are skipped, padding included."""
    assert read(riff(header, DATA)).tolist() == SAMPLES.tolist()


def test_float_wav_is_read() -> None:
    """32-bit float samples are taken."""
    body = chunk(b"data", (SAMPLES / 32_768).astype(np.float32).tobytes())
    assert read(riff(fmt(3, bits=32), body)).tolist() == SAMPLES.tolist()


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF])
def test_a_stream_has_no_end(size: int) -> None:
    """A data chunk of unknown size goes on as long as audio comes."""
    head = riff(fmt()) + struct.pack("<4sI", b"data", size)
    assert read(head, SAMPLES.tobytes(), SAMPLES.tobytes()).tolist() == [*SAMPLES, *SAMPLES]


def test_what_follows_the_samples_is_ignored() -> None:
    """Tags after the data chunk are no audio, in the same binary frame or in a later one."""
    assert read(riff(fmt(), DATA, chunk(b"LIST", b"tags" * 9)), b"more tags").tolist() == SAMPLES.tolist()


def test_audio_behind_the_data_chunk_is_not_dropped_in_silence() -> None:
    """A live stream whose header names too small a size is told so, and how to say it right."""
    with pytest.raises(MediaError, match="0xFFFFFFFF") as caught:
        read(riff(fmt(), DATA), *[bytes(100_000)] * 11)
    assert caught.value.code == "bad_wav"


@pytest.mark.parametrize(
    ("stream", "code", "says"),
    [
        (b"OggS" + bytes(40), "bad_wav", "OggS"),
        (SAMPLES.tobytes(), "bad_wav", "RIFF"),
        (b"RF64" + bytes(40), "bad_wav", "RF64"),
        (b"RIFF\0\0\0\0AVI " + bytes(40), "bad_wav", "AVI"),
        (riff(DATA), "bad_wav", "before its fmt"),
        (riff(fmt(), fmt(), DATA), "bad_wav", "second fmt"),
        (riff(chunk(b"fmt ", b"", 1 << 30)), "bad_wav", "1073741824"),
        (riff(chunk(b"fmt ", bytes(14))), "bad_wav", "14 bytes"),
        (riff(fmt(6, bits=8), DATA), "bad_wav", "tag 6 with 8 bits"),
        (riff(fmt(bits=24), DATA), "bad_wav", "24 bits"),
        (riff(fmt(0xFFFE), DATA), "bad_wav", "extensible"),
        (riff(fmt(0xFFFE, extra=EXTENSIBLE[:-1] + b"x"), DATA), "bad_wav", "extensible"),
        (riff(fmt(rate=384_000), DATA), "unsupported_sample_rate", "384000"),
        (riff(fmt(channels=33), DATA), "unsupported_channels", "33"),
        (riff(struct.pack("<4sI", b"LIST", 1 << 30)), "bad_wav", "1073741824"),
        (riff(chunk(b"fmt ", struct.pack("<HHIIHH", 1, 2, 16_000, 32_000, 2, 16))), "bad_wav", "2 bytes a frame"),
    ],
)
def test_wrong_wav_is_refused(stream: bytes, code: str, says: str) -> None:
    """Each way in which a WAV header can be wrong has its name, and the message holds the wrong value."""
    with pytest.raises(MediaError, match=says) as caught:
        read(stream)
    assert caught.value.code == code


@settings(deadline=None)
@given(st.lists(st.integers(0, 3_000), max_size=12))
def test_how_the_file_is_cut_changes_nothing(cuts: list[int]) -> None:
    """A WAV file cut into binary frames anywhere, inside the header or a sample, gives the same samples."""
    stream = riff(chunk(b"LIST", b"abc"), fmt(channels=3), chunk(b"data", np.repeat(SAMPLES[:400], 3).tobytes()))
    edges = [0, *sorted(cuts), len(stream)]
    pieces = [stream[a:b] for a, b in pairwise(edges)]
    assert read(*pieces).tolist() == SAMPLES[:400].tolist()


def test_nothing_grows_with_the_stream() -> None:
    """An hour of audio in an endless WAV leaves no more memory behind than its first minute."""
    audio = AudioInput(Start(format="wav"))
    audio.feed(riff(fmt(rate=48_000)) + struct.pack("<4sI", b"data", 0))
    second = bytes(96_001)  # never a whole number of samples
    tracemalloc.start()
    try:
        for _ in range(60):
            audio.feed(second)
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(3_540):
            audio.feed(second)
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < 10_000
