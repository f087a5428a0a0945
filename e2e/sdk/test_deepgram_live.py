"""The Deepgram SDK as it comes from PyPI, sync and async, live on a real pipeline: only its address is set."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import numpy as np
import pytest
import websockets
from deepgram import AsyncDeepgramClient, DeepgramClient
from deepgram.core.api_error import ApiError
from deepgram.core.events import EventType
from deepgram.environment import DeepgramClientEnvironment
from deepgram.listen.v1.types import (
    ListenV1Error,
    ListenV1Metadata,
    ListenV1Results,
    ListenV1SpeechStarted,
    ListenV1UtteranceEnd,
)
from pipeline import PATIENCE, Pipeline
from recorder import recorded, telephoned
from speech import Clip
from websockets.exceptions import InvalidStatus

from speechpipe_client.demo.scoring import error_rate

ENDPOINTING_MS, UTTERANCE_END_MS = 3_000, 1_000
PAUSE = 3.6
"""Seconds between sentences. Both are long: no client that a busy machine stops for a moment ends a sentence."""

PIECE = 4_096
OPTIONS: dict[str, Any] = {"model": "nova-3", "language": "en", "endpointing": ENDPOINTING_MS}


@pytest.fixture(scope="module")
def talk(clips: dict[str, Clip]) -> Clip:
    """Two sentences, with a pause behind each."""
    parts = [clips[name] for name in ("LJ001-0002", "LJ001-0008")]
    rate = parts[0].rate
    pause = np.zeros(round(PAUSE * rate), np.int16)
    samples = np.concatenate([piece for part in parts for piece in (part.samples, pause)])
    return Clip("talk", " ".join(part.text for part in parts), rate, samples)


def environment(pipeline: Pipeline) -> DeepgramClientEnvironment:
    """All that a user of the SDK changes."""
    return DeepgramClientEnvironment(
        base=pipeline.http, production=pipeline.ws, agent=pipeline.ws, agent_rest=pipeline.http
    )


def pieces(audio: bytes) -> list[bytes]:
    """As a file is read."""
    return [audio[begin : begin + PIECE] for begin in range(0, len(audio), PIECE)]


async def native_captions(pipeline: Pipeline, audio: bytes, **start: Any) -> list[str]:
    """Finals that the native protocol gives for the same bytes."""
    headers = {"Authorization": f"Bearer {pipeline.key}"}
    async with asyncio.timeout(PATIENCE), websockets.connect(f"{pipeline.ws}/ws", additional_headers=headers) as socket:
        await socket.send(json.dumps({"type": "set_langs", "source_language": "en"}))
        silence = ENDPOINTING_MS / 1_000
        await socket.send(json.dumps({"type": "start", "silence_threshold_seconds": silence, **start}))
        for piece in pieces(audio):
            await socket.send(piece)
        await socket.send('{"type": "stop"}')
        messages = [json.loads(raw) async for raw in socket]
    finals = sorted((m for m in messages if m["type"] == "final"), key=lambda final: final["start"])
    return [final["text"] for final in finals if final["text"]]


def transcript(result: ListenV1Results) -> str:
    """What a result says."""
    return result.channel.alternatives[0].transcript


def captions(messages: Sequence[Any]) -> list[str]:
    """What the finals say."""
    finals = [message for message in messages if isinstance(message, ListenV1Results) and message.is_final]
    return [transcript(final) for final in finals if transcript(final)]


@contextmanager
def listening(pipeline: Pipeline, **options: Any) -> Iterator[tuple[Any, list[Any], threading.Thread]]:
    """The SDK's own example: handlers for events, and a thread that listens."""
    client = DeepgramClient(api_key=pipeline.key, environment=environment(pipeline))
    with client.listen.v1.connect(**{**OPTIONS, **options}) as connection:
        messages: list[Any] = []
        connection.on(EventType.MESSAGE, messages.append)
        thread = threading.Thread(target=connection.start_listening)
        thread.start()
        yield connection, messages, thread


def transcribed(pipeline: Pipeline, audio: bytes, **options: Any) -> list[Any]:
    """All messages about a recording that is sent and closed."""
    with listening(pipeline, **options) as (connection, messages, thread):
        for piece in pieces(audio):
            connection.send_media(piece)
        connection.send_close_stream()
        thread.join(PATIENCE)
        assert not thread.is_alive()
        return messages


def told(pipeline: Pipeline, audio: bytes, **options: Any) -> list[Any]:
    """All messages about bytes after which the server ends the connection by itself."""
    with listening(pipeline, **options) as (connection, messages, thread):
        connection.send_media(audio)
        thread.join(PATIENCE)
        assert not thread.is_alive()
        return messages


class Heard:
    """What the SDK's async connection hears, by a task of its own."""

    def __init__(self, connection: Any) -> None:
        self.messages: list[Any] = []
        self._news = asyncio.Event()
        connection.on(EventType.MESSAGE, self._take)
        self.listening = asyncio.create_task(connection.start_listening())

    def _take(self, message: Any) -> None:
        self.messages.append(message)
        self._news.set()

    async def first(self, wanted: Callable[[Any], bool], after: int = 0) -> Any:
        """The first message of such a kind behind so many, as soon as it is there."""
        async with asyncio.timeout(PATIENCE):
            while True:
                self._news.clear()
                for message in self.messages[after:]:
                    if wanted(message):
                        return message
                await self._news.wait()


@asynccontextmanager
async def hearing(pipeline: Pipeline, **options: Any) -> AsyncIterator[tuple[Any, Heard]]:
    """The same example with the async client."""
    client = AsyncDeepgramClient(api_key=pipeline.key, environment=environment(pipeline))
    async with client.listen.v1.connect(**{**OPTIONS, **options}) as connection:
        heard = Heard(connection)
        yield connection, heard
        heard.listening.cancel()


async def test_the_sync_client_hears_what_the_native_one_hears(pipeline: Pipeline, talk: Clip):
    """Everything that may be asked for: interim and final results, onsets, ends of utterances, metadata."""
    audio = talk.samples.astype("<i2").tobytes()
    expected = await native_captions(pipeline, audio, sample_rate=talk.rate)
    messages = await asyncio.to_thread(
        transcribed,
        pipeline,
        audio,
        encoding="linear16",
        sample_rate=talk.rate,
        interim_results=True,
        vad_events=True,
        utterance_end_ms=UTTERANCE_END_MS,
        smart_format=True,
        punctuate=True,
    )
    assert captions(messages) == expected
    assert error_rate(talk.text, " ".join(expected), "en") <= 0.15
    results = [message for message in messages if isinstance(message, ListenV1Results)]
    finals = [result for result in results if result.is_final]
    assert all(final.speech_final for final in finals)
    assert [f.start for f in finals] == pytest.approx([0, *(f.start + f.duration for f in finals[:-1])], abs=0.002)
    onsets = [message for message in messages if isinstance(message, ListenV1SpeechStarted)]
    ends = [message for message in messages if isinstance(message, ListenV1UtteranceEnd)]
    words = [f.channel.alternatives[0].words for f in finals if transcript(f)]
    assert len(onsets) == len(ends) == len(words) == 2
    assert [end.last_word_end for end in ends] == [spoken[-1].end for spoken in words]
    assert [(w.word, w.start <= w.end) for w in words[0]] == [
        (word.strip(",.").lower(), True) for word in expected[0].split()
    ]
    assert isinstance(messages[-1], ListenV1Metadata)
    assert messages[-1].duration == pytest.approx(talk.seconds, abs=0.05)
    assert {final.metadata.request_id for final in finals} == {messages[-1].request_id}


async def test_the_async_client_finalises_and_goes_on(pipeline: Pipeline, clips: dict[str, Clip]):
    """Finalize gives the caption without a pause; the stream is kept alive, goes on, and is closed."""
    clip = clips["LJ001-0008"]
    audio = clip.samples.astype("<i2").tobytes()
    expected = await native_captions(pipeline, audio, sample_rate=clip.rate)
    async with hearing(pipeline, encoding="linear16", sample_rate=clip.rate) as (connection, heard):
        for piece in pieces(audio):
            await connection.send_media(piece)
        await connection.send_finalize()
        answer = await heard.first(lambda m: isinstance(m, ListenV1Results) and bool(m.from_finalize))
        assert captions(heard.messages) == expected
        assert answer.is_final
        await connection.send_keep_alive()
        for piece in pieces(audio):
            await connection.send_media(piece)
        await connection.send_close_stream()
        await heard.first(lambda m: isinstance(m, ListenV1Metadata))
        await asyncio.wait_for(heard.listening, PATIENCE)
    assert error_rate(clip.text, " ".join(captions(heard.messages)[1:]), "en") <= 0.15


async def test_interim_results_come_while_somebody_speaks(pipeline: Pipeline, clips: dict[str, Clip]):
    """They are of what was said so far, and the final takes their place."""
    clip = clips["austen-0880"]
    options = {"encoding": "linear16", "sample_rate": clip.rate, "interim_results": True, "endpointing": 10_000}
    async with hearing(pipeline, **options) as (connection, heard), asyncio.timeout(PATIENCE):
        result = None
        while result is None or result.is_final:  # on a machine so slow that the pause ended the sentence first
            before = len(heard.messages)
            for piece in pieces(clip.samples.astype("<i2").tobytes()):
                await connection.send_media(piece)
                await asyncio.sleep(len(piece) / 2 / clip.rate)  # as fast as people speak
            result = await heard.first(lambda m: isinstance(m, ListenV1Results), before)
        assert not result.speech_final
        await connection.send_close_stream()
        await heard.listening
    final = next(m for m in heard.messages if isinstance(m, ListenV1Results) and m.is_final and m.start == result.start)
    said, settled = (set(transcript(r).lower().strip(".").split()) for r in (result, final))
    assert len(said & settled) >= len(said) / 2


@pytest.mark.parametrize("container", ["webm", "ogg"])
async def test_a_browsers_recording_needs_no_options(pipeline: Pipeline, talk: Clip, container: str):
    """Opus in a container, without an encoding: what the native protocol hears in the same bytes."""
    audio = recorded(talk, container)
    expected = await native_captions(pipeline, audio, format=container)
    messages = await asyncio.to_thread(transcribed, pipeline, audio)
    assert captions(messages) == expected
    assert error_rate(talk.text, " ".join(expected), "en") <= 0.15


async def test_a_telephone_call_is_heard(pipeline: Pipeline, talk: Clip):
    """mu-law at 8 kHz."""
    audio = telephoned(talk)
    expected = await native_captions(pipeline, audio, format="mulaw", sample_rate=8_000)
    messages = await asyncio.to_thread(transcribed, pipeline, audio, encoding="mulaw", sample_rate=8_000)
    assert captions(messages) == expected
    assert error_rate(talk.text, " ".join(expected), "en") <= 0.3


async def test_audio_that_is_none_is_an_error_to_the_sdk(pipeline: Pipeline):
    """The SDK's own type, with the sentence."""
    messages = await asyncio.to_thread(told, pipeline, b"no audio at all" * 100)
    assert isinstance(messages[-1], ListenV1Error)
    assert messages[-1].variant == "DATA-0000"
    assert "no WebM, Ogg or WAV" in messages[-1].description


@pytest.mark.parametrize(
    ("options", "status", "named"),
    [
        ({"diarize": True}, 400, "diarize"),
        ({"encoding": "flac"}, 400, "flac"),
        ({"model": "flux-general-en"}, 400, "/v2/listen"),
        ({"authorization": "Token sp_wrong"}, 401, "API key"),
    ],
)
async def test_what_is_refused_is_an_error_of_the_sdk(
    pipeline: Pipeline, options: dict[str, Any], status: int, named: str
):
    """Before the upgrade: an ApiError with the status; the sync client lets the handshake's own error through."""
    with pytest.raises(ApiError) as caught:
        async with hearing(pipeline, **options):
            pass
    assert caught.value.status_code == status
    assert ("invalid credentials" in caught.value.body) is (status == 401)
    with pytest.raises(InvalidStatus) as handshake, listening(pipeline, **options):
        pass
    response = handshake.value.response
    assert (response.status_code, named in response.headers["dg-error"]) == (status, True)
    assert set(json.loads(response.body)) == {"err_code", "err_msg", "request_id"}


async def test_a_key_without_room_is_turned_away(pipeline: Pipeline):
    """The second stream of a client that may have one; it is told when to come again."""
    narrow = {"authorization": f"Token {pipeline.narrow_key}"}
    async with hearing(pipeline, **narrow):
        with pytest.raises(InvalidStatus) as caught, listening(pipeline, **narrow):
            pass
    assert caught.value.response.status_code == 503
    assert int(caught.value.response.headers["Retry-After"]) > 0
