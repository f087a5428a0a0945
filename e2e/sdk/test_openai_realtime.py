"""The OpenAI SDK's own realtime client, unmodified and pointed here by its base URL, over real speech."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from fractions import Fraction
from itertools import cycle
from typing import Any

import av
import numpy as np
import pytest
import soxr
import websockets
from av.codec.context import CodecContext
from openai import AsyncOpenAI, OpenAI
from pipeline import PATIENCE, Pipeline
from speech import Clip
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from speechpipe_client.demo.scoring import error_rate

PCM, PCMU, PCMA = {"type": "audio/pcm", "rate": 24_000}, {"type": "audio/pcmu"}, {"type": "audio/pcma"}
FORMATS = {"s16": (PCM, 24_000, 2), "mulaw": (PCMU, 8_000, 1), "alaw": (PCMA, 8_000, 1)}
"""By native name: how the protocol names it, Hz, and bytes of a sample."""

CODECS = {"mulaw": "pcm_mulaw", "alaw": "pcm_alaw"}
TURNS = {"type": "server_vad", "silence_duration_ms": 500}
PAUSE, BLOCK = 1.2, 0.2
"""Seconds: of silence between sentences, and of audio in an event."""


def said(clips: dict[str, Clip], *names: str) -> tuple[np.ndarray, list[str]]:
    """Sentences with pauses between them as 24 kHz mono int16, and their words."""
    parts: list[np.ndarray] = []
    for name in names:
        clip = clips[name]
        parts += [soxr.resample(clip.samples, clip.rate, 24_000), np.zeros(round(PAUSE * 24_000), np.int16)]
    return np.concatenate(parts), [clips[name].text for name in names]


def encoded(samples: np.ndarray, native: str) -> bytes:
    """24 kHz samples as bytes of a format; telephone audio is made by FFmpeg."""
    if native == "s16":
        return samples.astype("<i2").tobytes()
    context = CodecContext.create(CODECS[native], "w")
    assert isinstance(context, av.AudioCodecContext)
    context.sample_rate, context.layout, context.format = 8_000, "mono", "s16"
    context.time_base = Fraction(1, 8_000)
    slow = soxr.resample(samples, 24_000, 8_000)
    frame = av.AudioFrame.from_ndarray(slow.reshape(1, -1), format="s16", layout="mono")
    frame.sample_rate = 8_000
    return b"".join(bytes(packet) for packet in [*context.encode(frame), *context.encode(None)])


def blocks(audio: bytes, native: str) -> list[bytes]:
    """Audio as a microphone would give it."""
    _, rate, width = FORMATS[native]
    size = round(BLOCK * rate) * width
    return [audio[at : at + size] for at in range(0, len(audio), size)]


async def native_captions(pipeline: Pipeline, audio: bytes, native: str, silence: float = 0.5) -> list[str]:
    """Finals that the native protocol gives for the same bytes."""
    headers = {"Authorization": f"Bearer {pipeline.key}"}
    async with asyncio.timeout(PATIENCE), websockets.connect(f"{pipeline.ws}/ws", additional_headers=headers) as socket:
        start = {"sample_rate": FORMATS[native][1], "format": native, "silence_threshold_seconds": silence}
        await socket.send(json.dumps({"type": "set_langs", "source_language": "en"}))
        await socket.send(json.dumps({"type": "start", **start}))
        for block in blocks(audio, native):
            await socket.send(block)
        await socket.send('{"type": "stop"}')
        messages = [json.loads(raw) async for raw in socket]
    return [message["text"] for message in messages if message["type"] == "final"]


class Heard:
    """The SDK's events of one connection, read by a task of its own."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.events: list[Any] = []
        self._news = asyncio.Event()
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for event in self.connection:
            self.events.append(event)
            self._news.set()

    def of(self, name: str) -> list[Any]:
        """Events so far whose type ends so."""
        return [event for event in self.events if event.type.endswith(name)]

    async def wait(self, name: str, count: int = 1) -> list[Any]:
        """Events of a type, as soon as there are so many."""
        async with asyncio.timeout(PATIENCE):
            while len(self.of(name)) < count:
                self._news.clear()
                await self._news.wait()
        return self.of(name)

    async def send(self, audio: bytes, native: str = "s16") -> None:
        """Append audio."""
        for block in blocks(audio, native):
            await self.connection.input_audio_buffer.append(audio=base64.b64encode(block).decode())

    def close(self) -> None:
        """Read no more."""
        self._reading.cancel()


@asynccontextmanager
async def listening(
    pipeline: Pipeline, native: str = "s16", turns: dict[str, Any] | None = TURNS
) -> AsyncIterator[Heard]:
    """The SDK's connection to a transcription session, configured as its users do it."""
    client = AsyncOpenAI(api_key=pipeline.key, base_url=pipeline.openai_url)
    async with client, client.realtime.connect(extra_query={"intent": "transcription"}) as connection:
        heard = Heard(connection)
        given: Any = {
            "format": FORMATS[native][0],
            "transcription": {"model": "gpt-4o-transcribe", "language": "en"},
            "turn_detection": turns,
        }
        include = ["item.input_audio_transcription.logprobs"]
        session: Any = {"type": "transcription", "audio": {"input": given}, "include": include}
        await connection.session.update(session=session)
        await heard.wait("session.updated")
        try:
            yield heard
        finally:
            heard.close()


@pytest.mark.parametrize(
    ("native", "names"),
    [("s16", ("quick_brown_fox", "hello_world")), ("mulaw", ("quick_brown_fox",)), ("alaw", ("quick_brown_fox",))],
)
async def test_captions_are_those_of_the_native_protocol(
    pipeline: Pipeline, clips: dict[str, Clip], native: str, names: tuple[str, ...]
):
    """Each sentence is an item whose transcript is, to the letter, the final that a native client gets."""
    samples, texts = said(clips, *names)
    audio = encoded(samples, native)
    async with listening(pipeline, native) as heard:
        await heard.send(audio, native)
        done = await heard.wait("transcription.completed", len(names))
        transcripts = [event.transcript for event in done]
        assert [len(event.logprobs) for event in done] == [len(text.split()) for text in transcripts]
        items = [event.item_id for event in heard.of("input_audio_buffer.committed")]
        assert items == [event.item_id for event in done] == [event.item_id for event in heard.of("speech_started")]
        assert [event.previous_item_id for event in heard.of("conversation.item.added")] == [None, *items[:-1]]
    assert transcripts == await native_captions(pipeline, audio, native)
    assert error_rate(" ".join(texts), " ".join(transcripts), "en") <= 0.15, transcripts


async def test_words_appear_while_somebody_speaks(pipeline: Pipeline, clips: dict[str, Clip]):
    """At the pace of a microphone, deltas come before the item is committed, and add up to the transcript."""
    samples, _ = said(clips, "quick_brown_fox")
    async with listening(pipeline) as heard:
        for block in blocks(encoded(samples, "s16"), "s16"):
            await heard.connection.input_audio_buffer.append(audio=base64.b64encode(block).decode())
            await asyncio.sleep(BLOCK)  # the pace of speech
        for event in await heard.wait("transcription.completed"):
            told = "".join(delta.delta for delta in heard.of("transcription.delta") if delta.item_id == event.item_id)
            assert error_rate(event.transcript, told, "en") == 0, (told, event.transcript)
        kinds = [event.type for event in heard.events]
        assert kinds.index("input_audio_buffer.speech_started") < kinds.index("input_audio_buffer.speech_stopped")


async def test_a_long_speech_is_one_item(pipeline: Pipeline, clips: dict[str, Clip]):
    """What is said without a pause is cut inside, for no client to see."""
    parts, texts, seconds = [], [], 0.0
    for clip in cycle(clips.values()):
        parts.append(soxr.resample(clip.samples, clip.rate, 24_000))
        texts.append(clip.text)
        seconds += clip.seconds
        if seconds > 12:
            break
    audio = encoded(np.concatenate([*parts, np.zeros(3 * 24_000, np.int16)]), "s16")
    async with listening(pipeline, turns={"type": "server_vad", "silence_duration_ms": 2_000}) as heard:
        await heard.send(audio)
        [event] = await heard.wait("transcription.completed")
        assert len(heard.of("speech_started")) == len(heard.of("committed")) == 1
        assert event.usage.seconds > 12
        assert error_rate(" ".join(texts), event.transcript, "en") <= 0.3, event.transcript


async def test_a_client_may_commit_by_itself(pipeline: Pipeline, clips: dict[str, Clip]):
    """Without turn detection nothing is told before a commit, pauses end nothing, and a clear is forgotten."""
    both, texts = said(clips, "quick_brown_fox", "hello_world")
    lost, _ = said(clips, "quick_brown_fox")
    async with listening(pipeline, turns=None) as heard:
        await heard.connection.input_audio_buffer.commit()
        [empty] = await heard.wait("error")
        assert empty.error.code == "input_audio_buffer_commit_empty"
        await heard.send(encoded(both, "s16"))
        await heard.connection.input_audio_buffer.commit()
        [first] = await heard.wait("transcription.completed")
        await heard.send(encoded(lost, "s16"))
        await heard.connection.input_audio_buffer.clear()
        await heard.wait("input_audio_buffer.cleared")
        await heard.send(encoded(said(clips, "hello_world")[0], "s16"))
        await heard.connection.input_audio_buffer.commit()
        second = (await heard.wait("transcription.completed", 2))[1]
        assert heard.of("speech_started") == heard.of("speech_stopped") == []
        assert heard.of("committed")[1].previous_item_id == first.item_id
    assert error_rate(" ".join(texts), first.transcript, "en") <= 0.2, first.transcript
    assert error_rate(texts[1], second.transcript, "en") <= 0.5, second.transcript


async def test_refusals_leave_the_session_open(pipeline: Pipeline, clips: dict[str, Clip]):
    """What is not served comes back as the SDK's error event with the event's own id, and captions still come."""
    async with listening(pipeline) as heard:
        connection = heard.connection
        await connection.response.create(event_id="mine")
        await connection.session.update(session={"type": "realtime", "output_modalities": ["text"]})
        await connection.send_raw("no JSON")
        await connection.send({"type": "input_audio_buffer.append", "audio": "a*b"})
        errors = [event.error for event in await heard.wait("error", 4)]
        assert [error.code for error in errors] == [
            "unsupported_event",
            "unknown_parameter",
            "invalid_json",
            "invalid_value",
        ]
        assert errors[0].event_id == "mine"
        assert {error.type for error in errors} == {"invalid_request_error"}
        await heard.send(encoded(said(clips, "hello_world")[0], "s16"))
        assert (await heard.wait("transcription.completed"))[0].transcript


def test_the_sdk_without_async(pipeline: Pipeline, clips: dict[str, Clip]):
    """The SDK's blocking client does as well."""
    client = OpenAI(api_key=pipeline.key, base_url=pipeline.openai_url)
    with client.realtime.connect(model="gpt-4o-transcribe") as connection:
        assert connection.recv().session.audio.input.transcription.model == "gpt-4o-transcribe"
        for block in blocks(encoded(said(clips, "hello_world")[0], "s16"), "s16"):
            connection.input_audio_buffer.append(audio=base64.b64encode(block).decode())
        for event in connection:
            assert event.type != "error", event
            if event.type == "conversation.item.input_audio_transcription.completed":
                assert event.transcript
                break


@pytest.mark.parametrize(
    ("key", "query", "status", "code"),
    [
        ("sp_wrong", {"intent": "transcription"}, 401, "invalid_api_key"),
        (None, {"intent": "transcription"}, 400, "model_not_found"),
    ],
)
async def test_a_handshake_is_refused_before_the_upgrade(
    pipeline: Pipeline, key: str | None, query: dict[str, str], status: int, code: str
):
    """A wrong key is 401, an unknown model 400, with the API's error body."""
    client = AsyncOpenAI(api_key=key or pipeline.key, base_url=pipeline.openai_url)
    asked = query if key else query | {"model": "gpt-realtime"}
    with pytest.raises(InvalidStatus) as caught:
        async with client, client.realtime.connect(extra_query=asked):
            pass
    body = json.loads(caught.value.response.body)
    assert (caught.value.response.status_code, body["error"]["code"]) == (status, code)
    assert body["error"]["message"]


async def test_a_page_shows_its_key_as_a_subprotocol(pipeline: Pipeline):
    """As the vendor's examples for browsers do; the key does not come back. Without one there is no way in."""
    url = f"{pipeline.ws}/v1/realtime?intent=transcription"
    names = ("realtime", f"openai-insecure-api-key.{pipeline.key}", "openai-beta.realtime-v1")
    offered = [Subprotocol(name) for name in names]
    async with asyncio.timeout(PATIENCE), websockets.connect(url, subprotocols=offered) as socket:
        assert socket.subprotocol == "realtime"
        assert pipeline.key not in str(socket.response.headers)
        assert json.loads(await socket.recv())["type"] == "session.created"
    with pytest.raises(InvalidStatus):
        await websockets.connect(url, subprotocols=offered[:1])


async def test_a_message_that_is_too_big(pipeline: Pipeline):
    """Too much audio in an event is an error; a message longer than the gateway takes ends the connection with 1009."""
    async with listening(pipeline) as heard:
        connection = heard.connection
        await connection.input_audio_buffer.append(audio="A" * 250_000)
        [error] = await heard.wait("error")
        assert error.error.code == "string_above_max_length"
        await connection.input_audio_buffer.append(audio="A" * 300_000)
        async with asyncio.timeout(PATIENCE):
            await asyncio.wait([heard._reading])
        assert heard._reading.exception().rcvd.code == 1009
