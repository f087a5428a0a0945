"""Audio in containers, decoded in a process of its own."""

import asyncio
import os
import signal

import numpy as np
import psutil
import pytest
from numpy.typing import NDArray
from opus_world import RATE, bomb, cut, packets, recorded

from speechpipe_common.testing import eventually
from speechpipe_common.wire import Start
from speechpipe_gateway.containers.kinds import Container, sniff, too_dense
from speechpipe_gateway.containers.stream import ContainerStream
from speechpipe_gateway.media import AudioInput, MediaError

CLIP = "en/hello_world"


async def unpacked(kind: Container, pieces: list[bytes]) -> NDArray[np.int16]:
    """Everything that a stream decodes to."""
    stream = ContainerStream(kind)
    try:
        blocks = [block for piece in pieces async for block in stream.feed(piece)]
        blocks += [block async for block in stream.finish()]
    finally:
        await stream.close()
    return np.frombuffer(b"".join(blocks), "<i2")


def likeness(decoded: NDArray[np.int16], clip: NDArray[np.int16]) -> float:
    """Correlation of decoded audio with the clip that was recorded, wherever it begins by a few milliseconds."""
    audio = AudioInput(Start(sample_rate=RATE))
    heard = np.concatenate([audio.feed(decoded.tobytes()), audio.finish()]).astype(np.float64)
    said = clip.astype(np.float64)
    size = min(len(heard), len(said)) - 400
    return max(float(np.corrcoef(heard[shift : shift + size], said[:size])[0, 1]) for shift in range(0, 400, 4))


@pytest.mark.parametrize(
    ("kind", "size"), [("webm", 333), ("webm", 1 << 20), ("ogg", 333), ("ogg", 1 << 20)], ids=lambda value: str(value)
)
async def test_a_recording_is_what_was_said(kind: Container, size: int, clips: dict[str, NDArray[np.int16]]) -> None:
    """However the bytes are cut, the audio is that of the clip, to its end."""
    clip = clips[CLIP]
    decoded = await unpacked(kind, cut(recorded(clip, 16_000, kind), size))
    assert abs(len(decoded) / RATE - len(clip) / 16_000) < 0.05
    assert likeness(decoded, clip) > 0.95


async def test_bare_packets_are_audio(clips: dict[str, NDArray[np.int16]]) -> None:
    """Without any container, one packet in each frame."""
    clip = clips[CLIP]
    assert likeness(await unpacked("opus", packets(clip, 16_000)), clip) > 0.95


async def test_two_channels_are_mixed(clips: dict[str, NDArray[np.int16]]) -> None:
    """A stereo recording comes out as one channel of the same loudness."""
    clip = clips[CLIP]
    assert likeness(await unpacked("webm", [recorded(clip, 16_000, "webm", channels=2)]), clip) > 0.95


async def test_audio_comes_while_the_stream_goes_on(clips: dict[str, NDArray[np.int16]]) -> None:
    """What the bytes so far hold is there with them, less than half a second behind."""
    clip = np.tile(clips[CLIP], 3)
    pieces = cut(recorded(clip, 16_000, "webm"), 400)
    stream = ContainerStream("webm")
    try:
        for number, piece in enumerate(pieces):
            async for _ in stream.feed(piece):
                pass
            sent = (number + 1) / len(pieces) * len(clip) / 16_000
            assert stream.seconds > sent - 1.5, number
    finally:
        await stream.close()


async def test_a_stream_may_stop_anywhere(clips: dict[str, NDArray[np.int16]]) -> None:
    """A recording that ends in the middle of a packet has all that came whole before."""
    clip = clips[CLIP]
    whole = recorded(clip, 16_000, "webm")
    decoded = await unpacked("webm", [whole[: len(whole) // 2 + 1]])
    assert len(clip) / 16_000 * 0.3 < len(decoded) / RATE < len(clip) / 16_000 * 0.7


@pytest.mark.parametrize(
    ("kind", "stream", "why"),
    [
        ("webm", b"\x1aE\xdf\xa3" + bytes(5_000), "cannot be read"),
        ("webm", b"garbage" * 900, "cannot be read"),
        ("ogg", b"OggS" + bytes(5_000), "cannot be read"),
        ("webm", b"\x1aE\xdf\xa3", "cannot be read"),
        ("opus", b"\xff" * 3, "cannot be read"),
    ],
)
async def test_what_is_no_recording_is_refused(kind: Container, stream: bytes, why: str) -> None:
    """With what is wrong, whether at once or when no more comes."""
    with pytest.raises(MediaError, match=why) as caught:
        await unpacked(kind, [stream])
    assert caught.value.code == "bad_container"


async def test_another_codec_is_refused_by_name(clips: dict[str, NDArray[np.int16]]) -> None:
    """FLAC in Ogg holds an hour in a few bytes; only Opus is decoded."""
    with pytest.raises(MediaError, match="flac; send Opus"):
        await unpacked("ogg", [recorded(clips[CLIP], 16_000, "ogg", codec="flac")])


async def test_a_codec_that_nobody_knows_is_refused(clips: dict[str, NDArray[np.int16]]) -> None:
    """A header that names none is an answer too, not a fault."""
    unknown = recorded(clips[CLIP], 16_000, "webm").replace(b"A_OPUS", b"A_XPUS", 1)
    with pytest.raises(MediaError, match="in no known codec; send Opus"):
        await unpacked("webm", [unknown])


async def test_a_bomb_is_refused_soon() -> None:
    """An hour in 61 kB is not decoded for more than its first minutes."""
    stream = ContainerStream("ogg")
    try:
        with pytest.raises(MediaError, match="more than Opus has"):
            async for _ in stream.feed(bomb(1)):
                pass
        assert stream.seconds < 30 * 60
    finally:
        await stream.close()


@pytest.mark.parametrize(
    ("seconds", "size", "elapsed", "dense"),
    [
        (60.0, 1, 0.0, False),
        (61.0, 1, 0.0, True),
        (61.0, 1, 1.0, False),
        (7_200.0, 5_400_000, 10.0, False),
        (7_200.0, 120_000, 10.0, True),
        (7_200.0, 120_000, 7_200.0, False),
    ],
)
def test_only_what_nobody_could_have_recorded_is_too_dense(
    seconds: float, size: int, elapsed: float, *, dense: bool
) -> None:
    """A recording may be sent fast, and silence may be small; not both."""
    assert too_dense(seconds, size, elapsed) is dense


@pytest.mark.parametrize(
    ("head", "kind"),
    [(b"\x1aE\xdf\xa3\x01", "webm"), (b"OggS\0", "ogg"), (b"RIFF....WAVE", "wav"), (b"ID3\x04", None), (b"Ogg", None)],
)
def test_first_bytes_say_what_it_is(head: bytes, kind: str | None) -> None:
    """Containers are told by their magic numbers."""
    assert sniff(head) == kind


async def test_the_process_has_nothing_and_ends(clips: dict[str, NDArray[np.int16]]) -> None:
    """It can open no file and no socket, and is gone once it is told to be, even while nobody reads it."""
    stream = ContainerStream("webm")
    async for _ in stream.feed(recorded(clips[CLIP], 16_000, "webm")[:2_000]):
        pass
    assert stream.pid is not None
    process = psutil.Process(stream.pid)
    files = process.rlimit(psutil.RLIMIT_NOFILE)
    await stream.close()
    await eventually(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE, "its end")
    assert files == (0, 0)


async def test_a_decoder_that_dies_says_so() -> None:
    """Whatever ended it, the stream is refused instead of waiting for ever."""
    stream = ContainerStream("ogg")
    async for _ in stream.feed(b"OggS"):
        pass
    assert stream.pid is not None
    os.kill(stream.pid, signal.SIGKILL)
    with pytest.raises(MediaError, match="made its decoder end"):
        await asyncio.wait_for(anext(stream.feed(b"more")), 60)
    await stream.close()
