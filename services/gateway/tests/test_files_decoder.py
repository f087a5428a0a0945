"""The decoder's process: what comes out of files, and what files cannot make it do."""

import asyncio
import io
import os
import signal
import subprocess
import sys
import wave
from pathlib import Path
from tempfile import TemporaryFile

import av
import numpy as np
import psutil
import pytest
from numpy.typing import NDArray

from speechpipe_common.testing import eventually
from speechpipe_common.wire import Start
from speechpipe_gateway.files.decoding import Decoder
from speechpipe_gateway.files.errors import ApiError
from speechpipe_gateway.files.sniffing import container_of
from speechpipe_gateway.media import AudioInput

RATE = 16_000
SPEECH = "en/quick_brown_fox"


def wav(samples: NDArray[np.int16], rate: int = RATE, channels: int = 1) -> bytes:
    """A WAV file of interleaved samples."""
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())
    return made.getvalue()


def encoded(samples: NDArray[np.int16], container: str, codec: str, rate: int = RATE) -> bytes:
    """A file made by FFmpeg; mono."""
    made = io.BytesIO()
    with av.open(made, "w", format=container) as file:
        stream = file.add_stream(codec, rate=rate, layout="mono")
        assert isinstance(stream, av.AudioStream)
        fitting = av.AudioResampler(stream.format, "mono", rate)
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), "s16", "mono")
        frame.sample_rate = RATE
        for fitted in [*fitting.resample(frame), *fitting.resample(None)]:
            fitted.pts = None
            file.mux(stream.encode(fitted))
        file.mux(stream.encode(None))
    return made.getvalue()


async def decode(content: bytes, container: str | None = None, longest: float = 7200.0) -> NDArray[np.int16]:
    """All samples of a file."""
    with TemporaryFile() as file:
        file.write(content)
        file.flush()
        async with Decoder(file, container or container_of(content[:16]) or "wav", longest) as decoder:
            pcm = b"".join([block async for block in decoder.pcm()])
        assert decoder.seconds == len(pcm) / 2 / RATE
    return np.frombuffer(pcm, "<i2")


@pytest.fixture
def speech(clips: dict[str, NDArray[np.int16]]) -> NDArray[np.int16]:
    """A sentence."""
    return clips[SPEECH]


@pytest.mark.parametrize(
    ("head", "container"),
    [
        (b"RIFF\x24\x00\x00\x00WAVEfmt ", "wav"),
        (b"RIFF\x24\x00\x00\x00AVI LIST", None),
        (b"fLaC\x00\x00\x00\x22", "flac"),
        (b"OggS\x00\x02", "ogg"),
        (b"\x1aE\xdf\xa3\x9f\x42\x86\x81", "matroska"),
        (b"\x00\x00\x00\x20ftypM4A ", "mp4"),
        (b"ID3\x04\x00", "mp3"),
        (b"\xff\xfb\x90\x64", "mp3"),
        (b"\xff\xf1\x50\x80", None),
        (b"\x00\x00\x01\xba\x44", "mpeg"),
        (b"#EXTM3U\n#EXTINF:1,", None),
        (b"v=0\r\no=- 0 0 IN", None),
        (b"ffconcat version", None),
        (b"just some words.", None),
        (b"", None),
        (b"\xff", None),
    ],
)
def test_a_file_is_what_its_first_bytes_say(head: bytes, container: str | None):
    """Playlists, session descriptions and texts are nothing that any demuxer is asked to open."""
    assert container_of(head[:16]) == container


@pytest.mark.parametrize(("rate", "channels"), [(16_000, 1), (22_050, 1), (44_100, 2), (8_000, 1)])
async def test_a_file_is_heard_as_a_stream_of_its_samples(rate: int, channels: int, speech: NDArray[np.int16]):
    """What a decoder gives of a lossless file is, bit for bit, what the native protocol makes of the same samples."""
    samples = np.repeat(speech, channels)
    streamed = AudioInput(Start(format="s16", sample_rate=rate, channels=channels))
    expected = np.concatenate([streamed.feed(samples.astype("<i2").tobytes()), streamed.finish()])
    assert np.array_equal(await decode(wav(samples, rate, channels)), expected)
    if channels == 1 and rate == RATE:
        assert np.array_equal(await decode(encoded(speech, "flac", "flac")), expected)


@pytest.mark.parametrize(
    ("content", "container", "code"),
    [
        (b"RIFF\x24\x00\x00\x00WAVEfmt ", None, "invalid_file"),
        (b"fLaC" + os.urandom(4_000), None, "invalid_file"),
        (b"ID3" + b"these are words and nothing else. " * 300, None, "invalid_file"),
        (b"\x1aE\xdf\xa3" + os.urandom(4_000), None, "invalid_file"),
        (wav(np.zeros(0, np.int16)), None, "no_audio"),
        (wav(np.zeros(400, np.int16), rate=4_000), None, "unsupported_sample_rate"),
        (b"#EXTM3U\n#EXTINF:10,\nhttp://127.0.0.1:9/one.ts\n", "mp3", "invalid_file"),
        (b"v=0\r\nc=IN IP4 127.0.0.1\r\nm=audio 5004 RTP/AVP 0\r\n", "wav", "invalid_file"),
    ],
)
async def test_what_is_no_audio_is_refused(content: bytes, container: str | None, code: str):
    """Files that only begin like one, and lists of addresses under whatever name, end with a sentence."""
    with pytest.raises(ApiError) as refused:
        await decode(content, container)
    assert (refused.value.status, refused.value.code, refused.value.param) == (400, code, "file")


async def test_a_file_cut_short(speech: NDArray[np.int16]):
    """Of a stream that breaks off, what there is is heard; an MP4 without its index, which comes last, is refused."""
    whole = encoded(speech, "flac", "flac")
    heard = await decode(whole[: len(whole) // 2])
    assert len(speech) / 4 < len(heard) < len(speech)
    assert np.array_equal(heard[:RATE], speech[:RATE])
    index_last = encoded(speech, "mp4", "aac")
    with pytest.raises(ApiError) as refused:
        await decode(index_last[: len(index_last) // 2])
    assert refused.value.code == "invalid_file"


async def test_a_file_that_changes_on_the_way(speech: NDArray[np.int16]):
    """One damaged frame header costs its frame; a file that goes on at another rate is refused, not cut short."""
    whole = encoded(speech, "mp3", "libmp3lame")
    at = whole.index(b"\xff\xf3", len(whole) // 2)
    damaged = whole[: at + 2] + bytes([whole[at + 2] ^ 0x04]) + whole[at + 3 :]
    assert abs(len(await decode(damaged)) - len(await decode(whole))) < RATE / 4
    with pytest.raises(ApiError, match="on the way"):
        await decode(whole + encoded(np.tile(speech, 4), "mp3", "libmp3lame", 44_100))


async def test_a_film_is_not_watched(speech: NDArray[np.int16], tmp_path: Path):
    """Of a film only the sound is decoded; one without sound is refused."""
    made = tmp_path / "film.mp4"
    with av.open(str(made), "w", format="mp4") as file:
        stream = file.add_stream("mpeg4", rate=10)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height = 64, 64
        for picture in [*(av.VideoFrame(64, 64, "yuv420p") for _ in range(10)), None]:
            file.mux(stream.encode(picture))
    with pytest.raises(ApiError) as refused:
        await decode(made.read_bytes())
    assert refused.value.code == "no_audio"


async def _watch(decoder: Decoder, process: psutil.Process, sizes: list[int]) -> None:
    async for _ in decoder.pcm():
        sizes.append(process.memory_info().rss)


async def test_a_bomb_stays_small():
    """An hour of silence in a few hundred kB: refused at the longest that is taken, in bounded memory on both sides."""
    bomb = encoded(np.zeros(RATE * 60, np.int16), "flac", "flac")
    with TemporaryFile() as file:
        file.write(encoded(np.zeros(RATE * 3_600, np.int16), "flac", "flac"))
        size = file.tell()
        file.flush()
        assert size < 2_000_000
        async with Decoder(file, "flac", longest=600) as decoder:
            process = psutil.Process(decoder.pid)
            sizes: list[int] = []
            with pytest.raises(ApiError, match="600 s") as refused:
                await _watch(decoder, process, sizes)
            assert refused.value.code == "file_too_long"
            assert 0 < max(sizes) < 200e6
        assert not psutil.pid_exists(decoder.pid)
    assert len(await decode(bomb, longest=60)) == RATE * 60


async def test_a_decoder_that_is_killed_says_so(speech: NDArray[np.int16]):
    """Killed from outside is our fault, and worth another try; a crash is the file's."""
    long = wav(np.tile(speech, 60))
    for number, status, code in (
        (signal.SIGKILL, 500, "decoder_ended"),
        (signal.SIGSEGV, 400, "invalid_file"),
        (signal.SIGXCPU, 400, "file_too_complex"),
    ):
        with TemporaryFile() as file:
            file.write(long)
            file.flush()
            async with Decoder(file, "wav", 7_200) as decoder:
                blocks = decoder.pcm()
                await anext(blocks)
                os.kill(decoder.pid, number)
                with pytest.raises(ApiError) as failed:
                    [block async for block in blocks]
        assert (failed.value.status, failed.value.code) == (status, code)


async def test_nobody_waits_for_a_decoder_that_nobody_reads(speech: NDArray[np.int16]):
    """Leaving the block ends the process, wherever it is."""
    with TemporaryFile() as file:
        file.write(wav(np.tile(speech, 60)))
        file.flush()
        async with Decoder(file, "wav", 7_200) as decoder:
            await anext(decoder.pcm())
            assert psutil.pid_exists(decoder.pid)
        await eventually(lambda: not psutil.pid_exists(decoder.pid), "the decoder is gone")


CONFINED = """
import ctypes, resource, socket, sys
from speechpipe_gateway.files.sandbox import confine
libc = ctypes.CDLL(None)
native = libc.socket, libc.open
confine()
def tried(name, what):
    try:
        what()
    except BaseException as error:
        sys.stdout.write(f"{name} {type(error).__name__}\\n")
    else:
        sys.stdout.write(f"{name} done\\n")
sys.stdout.write(f"native {native[0](2, 1, 0)} {native[1](b'/etc/passwd', 0)}\\n")
tried("socket", socket.socket)
tried("resolve", lambda: socket.getaddrinfo("localhost", 80))
tried("open", lambda: open("/etc/passwd"))
tried("memory", lambda: bytearray(1 << 30))
tried("limits", lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)))
sys.stdout.flush()
"""


async def test_a_decoder_reaches_nothing():
    """After giving up what it does not need, neither Python nor C code in it gets a socket, a file or more memory."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CONFINED, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    said, failed = await process.communicate()
    assert said.decode().splitlines() == [
        "native -1 -1",
        "socket PermissionError",
        "resolve PermissionError",
        "open PermissionError",
        "memory MemoryError",
        "limits ValueError",
    ], failed.decode()


async def test_a_codec_that_nobody_knows_is_refused(clips: dict[str, NDArray[np.int16]]) -> None:
    """A header that names none is the client's fault, not ours."""
    unknown = encoded(clips[SPEECH], "webm", "libopus", 48_000).replace(b"A_OPUS", b"A_XPUS", 1)
    with pytest.raises(ApiError, match="in no known codec") as caught:
        await decode(unknown)
    assert (caught.value.status, caught.value.code) == (400, "unsupported_codec")
