"""What a client may say wrongly: each gets its own answer, and nobody else is disturbed."""

import struct
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import pytest
import pytest_asyncio
from numpy.typing import NDArray
from wire_world import ANSWER, GatewayProcess, Scribe, call, neighbour, working

from speechpipe_common.wire import CLOSE_BAD_MESSAGE

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def gateway(valkey: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """One gateway for all bad clients of this file: each must leave it as it was."""
    with GatewayProcess(valkey, tmp_path_factory.mktemp("gateway")) as process:
        yield process


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scribe(gateway: GatewayProcess) -> AsyncIterator[Scribe]:
    """Something that settles jobs."""
    async with working(gateway) as scribe:
        yield scribe


@pytest.fixture
def speech(clips: dict[str, NDArray[np.int16]]) -> NDArray[np.int16]:
    """A few seconds of somebody speaking."""
    return clips[min(name for name in clips if name.startswith("en/"))]


def wav(rate: int = 16_000, channels: int = 1, tag: int = 1, bits: int = 16, kind: bytes = b"WAVE") -> bytes:
    """A WAV header with an endless data chunk."""
    align = channels * bits // 8
    fmt = struct.pack("<4sIHHIIHH", b"fmt ", 16, tag, channels, rate, rate * align, align, bits)
    return b"RIFF\xff\xff\xff\xff" + kind + fmt + b"data\xff\xff\xff\xff"


def legacy(metadata: object, pcm: bytes, length: int | None = None) -> bytes:
    """A frame of the reference system."""
    head = msgspec.json.encode(metadata)
    return struct.pack("<I", len(head) if length is None else length) + head + pcm


@dataclass(frozen=True)
class Bad:
    """Frames, and the answer that they must get."""

    frames: tuple[str | bytes, ...]
    code: str
    says: tuple[str, ...]
    """Words that the message must hold: the value, and what to do."""
    close: int = CLOSE_BAD_MESSAGE


START = '{"type":"start"}'
BAD: dict[str, Bad] = {
    "not JSON": Bad(("hello",), "not_json", ("JSON object",)),
    "JSON but no object": Bad(("[1]",), "not_json", ("JSON object", "list")),
    "deep JSON": Bad(("[" * 3_900,), "not_json", ("JSON object",)),
    "no type": Bad(("{}",), "unknown_type", ("None", "start")),
    "unknown type": Bad(('{"type":"shout"}',), "unknown_type", ("'shout'", "start")),
    "type of a wrong kind": Bad(('{"type":{"a":1}}',), "unknown_type", ("set_langs",)),
    "unknown field": Bad(('{"type":"start","volume":11}',), "bad_message", ("volume",)),
    "field of a wrong kind": Bad(('{"type":"start","sample_rate":"high"}',), "bad_message", ("sample_rate",)),
    "integer beyond 64 bits": Bad(('{"type":"start","sample_rate":%s}' % ("9" * 40),), "", ("sample",)),
    "unknown format": Bad(('{"type":"start","format":"mp3"}',), "bad_message", ("mp3",)),
    "silence threshold out of range": Bad(
        ('{"type":"start","silence_threshold_seconds":0}',), "bad_message", ("0", "0.2 to 10")
    ),
    "endless prompt": Bad(('{"type":"start","prompt":"%s"}' % ("a" * 1_001),), "bad_message", ("1001", "1000")),
    "5 kHz": Bad(('{"type":"start","sample_rate":5000}',), "unsupported_sample_rate", ("5000", "8000")),
    "384 kHz": Bad(('{"type":"start","sample_rate":384000}',), "unsupported_sample_rate", ("384000", "192000")),
    "no channels": Bad(('{"type":"start","channels":0}',), "unsupported_channels", ("0 channels", "32")),
    "start twice": Bad((START, START), "already_started", ("once",)),
    "stop before start": Bad(('{"type":"stop"}',), "not_started", ("start",)),
    "flush before start": Bad(('{"type":"flush"}',), "not_started", ("start",)),
    "binary before start": Bad((bytes(640),), "binary_before_start", ("start",)),
    "odd byte count": Bad((START, bytes(641)), "odd_byte_count", ("641", "whole samples")),
    "odd count of stereo": Bad(('{"type":"start","channels":2}', bytes(642)), "odd_byte_count", ("642", "2 channels")),
    "float that is none": Bad(
        ('{"type":"start","format":"f32"}', struct.pack("<2f", 0.0, float("nan"))), "bad_sample", ("number 1", "nan")
    ),
    "1 GB of metadata": Bad(
        (legacy({"sampleRate": 16_000}, bytes(64), length=1 << 30),), "bad_frame", ("1073741824", "4096")
    ),
    "legacy metadata that is no JSON": Bad(
        (struct.pack("<I", 8) + b'{"a": }!' + bytes(64),), "bad_frame", ("metadata",)
    ),
    "legacy frame at 5 kHz": Bad(
        (legacy({"sampleRate": 5_000}, bytes(64)),), "unsupported_sample_rate", ("5000", "8000")
    ),
    "legacy frame of odd length": Bad((legacy({}, bytes(3)),), "odd_byte_count", ("3 bytes",)),
    "legacy format that changes": Bad(
        (legacy({"sampleRate": 16_000}, bytes(64)), legacy({"sampleRate": 8_000}, bytes(64))),
        "bad_frame",
        ("8000", "16000"),
    ),
    "no WAV": Bad(('{"type":"start","format":"wav"}', b"ID3\x04" + bytes(60)), "bad_wav", ("ID3", "WAV")),
    "RIFF but no WAVE": Bad(('{"type":"start","format":"wav"}', wav(kind=b"AVI ")), "bad_wav", ("AVI",)),
    "WAV with a codec": Bad(('{"type":"start","format":"wav"}', wav(tag=85)), "bad_wav", ("85", "16-bit PCM")),
    "WAV of 8 bits": Bad(('{"type":"start","format":"wav"}', wav(bits=8)), "bad_wav", ("8 bits",)),
    "WAV at 384 kHz": Bad(
        ('{"type":"start","format":"wav"}', wav(384_000)), "unsupported_sample_rate", ("384000", "192000")
    ),
    "cursor that is none": Bad(
        ('{"type":"resume","session_id":"x","token":"y","cursor":"yesterday"}',), "bad_message", ("yesterday", "0-0")
    ),
    "cursor beyond 64 bits": Bad(
        ('{"type":"resume","session_id":"x","token":"y","cursor":"%s-0"}' % (1 << 64),), "bad_message", ("cursor",)
    ),
    "cursor of 5000 digits": Bad(
        ('{"type":"resume","session_id":"x","token":"y","cursor":"%s-0"}' % ("9" * 3_000),), "bad_message", ("cursor",)
    ),
    "offset below zero": Bad(
        ('{"type":"resume","session_id":"x","token":"y","offset":-1}',), "bad_message", ("offset", "-1")
    ),
    "resume of no session": Bad(
        ('{"type":"resume","session_id":"x","token":"y"}',), "resume_denied", ("new session",), 1008
    ),
}


@pytest.mark.parametrize("name", BAD)
async def test_a_bad_frame_has_its_own_answer(
    name: str, gateway: GatewayProcess, scribe: Scribe, speech: NDArray[np.int16]
) -> None:
    """Code, message with the value and what to do, close code; a neighbour's utterance gets its final meanwhile."""
    bad = BAD[name]
    async with neighbour(gateway, speech):
        async with call(gateway) as caller:
            for frame in bad.frames:
                await caller.socket.send(frame)
            assert await caller.closed() == bad.close, caller.messages
        [error] = caller.of("error")
        assert error["code"] == bad.code or not bad.code
        assert error["close"] == bad.close
        assert all(word in error["message"] for word in bad.says), error["message"]


async def test_audio_after_stop_is_refused_and_what_was_said_before_is_kept(
    gateway: GatewayProcess, scribe: Scribe, speech: NDArray[np.int16]
) -> None:
    """Audio behind ``stop`` closes the connection with 4400; a resume still gets the final of what came before."""
    scribe.may_work.clear()
    async with call(gateway) as caller:
        ready = await caller.start()
        await caller.send_audio(speech)
        await caller.say("stop")
        await caller.socket.send(bytes(640))
        assert await caller.closed() == CLOSE_BAD_MESSAGE
        assert caller.of("error")[0]["code"] == "audio_after_stop"
    scribe.may_work.set()
    async with call(gateway) as again:
        await again.say("resume", session_id=ready["session_id"], token=ready["token"])
        assert (await again.hears("final"))["text"] == ANSWER


@pytest.mark.parametrize(
    ("request_", "code", "says"),
    [
        ({"source_language": "Klingon"}, "unknown_language", "Klingon"),
        ({"source_language": ""}, "unknown_language", ""),
        ({"target_language": "xx"}, "unknown_language", "xx"),
        ({"target_languages": ["de", "fr", "es", "it", "pt", "nl", "pl", "sv", "da"]}, "bad_message", "9"),
    ],
)
async def test_wrong_languages_are_said_and_the_session_goes_on(
    request_: dict[str, Any], code: str, says: str, gateway: GatewayProcess, scribe: Scribe, speech: NDArray[np.int16]
) -> None:
    """An unknown language, or nine targets, is an ``error`` without a close; the same connection still gets text."""
    async with call(gateway) as caller:
        await caller.say("set_langs", **request_)
        error = await caller.hears("error")
        assert error["code"] == code
        assert says in error["message"]
        assert error["close"] is None
        await caller.start()
        await caller.send_audio(speech)
        await caller.say("set_langs", **request_)
        await caller.hears("error", 2)
        await caller.say("stop")
        assert await caller.closed() == 1000
        assert [m["text"] for m in caller.of("final")]


async def test_a_legacy_client_gets_its_text(
    gateway: GatewayProcess, scribe: Scribe, speech: NDArray[np.int16]
) -> None:
    """Frames of ``u32 + JSON + PCM`` without any ``start`` begin a session at the rate that they name."""
    async with call(gateway) as caller:
        for begin in range(0, len(speech), 8_000):
            pcm = speech[begin : begin + 8_000].tobytes()
            await caller.socket.send(legacy({"sampleRate": 16_000, "ts": 12.5}, pcm))
        assert (await caller.hears("ready"))["format"] == "legacy"
        await caller.say("stop")
        assert await caller.closed() == 1000
        assert [m["text"] for m in caller.of("final")]


async def test_a_wav_header_may_come_in_pieces(
    gateway: GatewayProcess, scribe: Scribe, speech: NDArray[np.int16]
) -> None:
    """A header split into single bytes, and samples split within a sample, are the same audio as whole frames."""
    async with call(gateway) as caller:
        ready = await caller.start(format="wav", sample_rate=8_000)
        head, pcm = wav(), speech.tobytes()
        for at in range(len(head)):
            await caller.socket.send(head[at : at + 1])
        for begin in range(0, len(pcm), 16_001):
            await caller.socket.send(pcm[begin : begin + 16_001])
        await caller.say("stop")
        assert await caller.closed() == 1000, caller.messages
        assert caller.of("final")
    heard = [
        (job, scribe.pcm[job.client, job.segment, job.end])
        for job in scribe.of(ready["session_id"])
        if (job.client, job.segment, job.end) in scribe.pcm
    ]
    assert heard
    for job, audio in heard:
        assert audio == pcm[job.start * 2 : job.end * 2]


async def test_one_that_vanishes_leaves_its_neighbours_and_its_session(
    gateway: GatewayProcess, scribe: Scribe, speech: NDArray[np.int16]
) -> None:
    """A TCP reset in the middle of a word disturbs nobody; the client that comes back is told where to go on from."""
    async with neighbour(gateway, speech):
        async with call(gateway) as caller:
            ready = await caller.start()
            await caller.send_audio(speech)
            await caller.hears("speech_started")
            caller.vanish()
            await caller.closed()
        async with call(gateway) as again:
            await again.say("resume", session_id=ready["session_id"], token=ready["token"])
            await again.send_audio(speech[(await again.hears("ready"))["offset"] :])
            await again.say("stop")
            assert await again.closed() == 1000
            assert [m["text"] for m in again.of("final")]
