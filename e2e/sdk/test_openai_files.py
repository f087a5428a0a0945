"""The OpenAI SDK as it comes from PyPI, sync and async, sending files to a real pipeline; only its base URL is set."""

import asyncio
import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import openai
import pytest
import soxr
from encoding import CONTAINERS, bomb, encoded, wav
from native import captions
from openai.types.audio import TranscriptionTextDeltaEvent, TranscriptionTextDoneEvent, TranscriptionVerbose
from pipeline import PATIENCE, Pipeline
from speech import Clip, recording

from speechpipe_client import FinalCaption
from speechpipe_client.demo.scoring import error_rate
from speechpipe_common.downloads import ASSETS, fetch
from speechpipe_common.testing import eventually

MODEL = "whisper-1"
RATE = 22_050
PAUSE_SECONDS = 1.2


@pytest.fixture(scope="module")
def talk(clips: dict[str, Clip]) -> Clip:
    """Three sentences of two people, with pauses between them."""
    parts = [clips[name] for name in ("austen-0880", "LJ001-0002", "LJ001-0008")]
    pause = np.zeros(round(PAUSE_SECONDS * RATE), np.int16)
    samples = [piece for part in parts for piece in (soxr.resample(part.samples, part.rate, RATE), pause)]
    return Clip("talk", " ".join(part.text for part in parts), RATE, np.concatenate(samples))


@pytest.fixture(scope="module")
def finals(pipeline: Pipeline, talk: Clip) -> list[FinalCaption]:
    """What the native protocol says of it."""
    return [final for final in asyncio.run(captions(pipeline, talk)) if final.text]


@pytest.fixture
def client(pipeline: Pipeline) -> Iterator[openai.OpenAI]:
    """The SDK's client, which tries once."""
    with openai.OpenAI(api_key=pipeline.key, base_url=pipeline.openai_url, max_retries=0, timeout=PATIENCE) as made:
        yield made


def test_a_file_says_what_a_client_hears(client: openai.OpenAI, talk: Clip, finals: list[FinalCaption], tmp_path: Path):
    """Text, words and their times of a file are those of the native protocol's finals on the same samples."""
    path = tmp_path / "talk.wav"
    path.write_bytes(wav(talk))
    said = client.audio.transcriptions.create(
        file=path,
        model=MODEL,
        language="en",
        response_format="verbose_json",
        timestamp_granularities=["word", "segment"],
    )
    assert isinstance(said, TranscriptionVerbose)
    assert said.text == " ".join(final.text for final in finals)
    assert error_rate(talk.text, said.text, "en") <= 0.15
    assert [segment.text.strip() for segment in said.segments or []] == [final.text for final in finals]
    assert [(w.word, w.start, w.end) for w in said.words or []] == [
        (w.text.strip(), round(w.start, 3), round(w.end, 3)) for final in finals for w in final.words
    ]
    assert said.duration == pytest.approx(talk.seconds, abs=0.001)
    assert said.language == "english"


async def test_the_async_client_hears_the_same(pipeline: Pipeline, talk: Clip, finals: list[FinalCaption]):
    """The async client, and a file object of a misleading name, give the same text."""
    async with openai.AsyncOpenAI(api_key=pipeline.key, base_url=pipeline.openai_url, max_retries=0) as other:
        file = io.BytesIO(wav(talk))
        file.name = "http://127.0.0.1/talk.m3u8"
        there = await other.audio.transcriptions.create(file=file, model=MODEL, language="en")
    assert there.text == " ".join(final.text for final in finals)
    assert there.usage is not None


@pytest.mark.parametrize("suffix", CONTAINERS)
def test_every_container_is_heard(client: openai.OpenAI, suffix: str, clips: dict[str, Clip]):
    """Files of every kind that OpenAI takes, made by FFmpeg from a recording, are transcribed right."""
    clip = clips["quick_brown_fox"]
    said = client.audio.transcriptions.create(file=(f"clip.{suffix}", encoded(clip, suffix)), model=MODEL)
    assert error_rate(clip.text, said.text, "en") <= 0.1, said.text


def test_every_format_can_be_read(client: openai.OpenAI, clips: dict[str, Clip]):
    """What the SDK gives for each response format holds the words of the first."""
    file = ("clip.wav", wav(clips["quick_brown_fox"]))
    text = client.audio.transcriptions.create(file=file, model=MODEL, language="en").text
    plain = client.audio.transcriptions.create(file=file, model=MODEL, language="en", response_format="text")
    assert plain == f"{text}\n"
    srt = client.audio.transcriptions.create(file=file, model=MODEL, language="en", response_format="srt")
    vtt = client.audio.transcriptions.create(file=file, model=MODEL, language="en", response_format="vtt")
    blocks = srt.strip().split("\n\n")
    assert [block.split("\n")[0] for block in blocks] == [str(number) for number in range(1, len(blocks) + 1)]
    assert " ".join(line for block in blocks for line in block.split("\n")[2:]) == text
    assert vtt.startswith("WEBVTT\n\n")
    assert [block.split("\n")[1:] for block in vtt.strip().split("\n\n")[1:]] == [b.split("\n")[2:] for b in blocks]


async def test_captions_are_streamed(
    pipeline: Pipeline, client: openai.OpenAI, clips: dict[str, Clip], talk: Clip, finals: list[FinalCaption]
):
    """Streaming gives each sentence as it is done, and the parts make up the whole, in both clients."""
    file = ("talk.wav", wav(talk))
    events = list(client.audio.transcriptions.create(file=file, model=MODEL, language="en", stream=True))
    deltas = [event for event in events if isinstance(event, TranscriptionTextDeltaEvent)]
    (done,) = [event for event in events if isinstance(event, TranscriptionTextDoneEvent)]
    assert events == [*deltas, done]
    assert len(deltas) >= 3
    assert "".join(delta.delta for delta in deltas) == done.text
    assert done.text == " ".join(final.text for final in finals)
    file = ("clip.wav", wav(clips["hello_world"]))
    async with openai.AsyncOpenAI(api_key=pipeline.key, base_url=pipeline.openai_url, max_retries=0) as other:
        stream = await other.audio.transcriptions.create(file=file, model=MODEL, language="en", stream=True)
        assert [event.type async for event in stream][-1] == "transcript.text.done"


def test_translations_are_in_english(client: openai.OpenAI):
    """Spanish is told in English, in every format, by the pipeline's translation workers."""
    folder = fetch(ASSETS["audioeval"]) / "es"
    clip = recording(folder / "pangrama.wav", (folder / "pangrama.txt").read_text())
    file = ("pangrama.wav", wav(clip))
    verbose = client.audio.translations.create(file=file, model=MODEL, response_format="verbose_json")
    # Of "… feliz cardillo y kiwi", the words that Whisper base hears right.
    assert {"the", "happy", "and"} <= set(verbose.text.lower().split()), verbose.text
    assert verbose.language == "english"
    vtt = client.audio.translations.create(file=file, model=MODEL, response_format="vtt")
    assert vtt.startswith("WEBVTT\n\n00:00:0")
    assert " ".join(line for block in vtt.strip().split("\n\n")[1:] for line in block.split("\n")[1:]) == verbose.text


def test_models_are_listed(client: openai.OpenAI):
    """The names that may be asked for, and each by itself."""
    assert [model.id for model in client.models.list()] == [MODEL]
    assert client.models.retrieve(MODEL).owned_by == "speechpipe"
    with pytest.raises(openai.NotFoundError, match=MODEL):
        client.models.retrieve("gpt-4o-transcribe")


def test_a_silent_file_is_empty(client: openai.OpenAI, talk: Clip):
    """Silence is no error: its text is empty, streamed or not."""
    file = ("silence.wav", wav(replace(talk, samples=np.zeros(2 * talk.rate, np.int16))))
    assert client.audio.transcriptions.create(file=file, model=MODEL).text == ""
    events = list(client.audio.transcriptions.create(file=file, model=MODEL, stream=True))
    assert [event.type for event in events] == ["transcript.text.done"]


GOOD = b"RIFF\x24\x00\x00\x00WAVEfmt "

REFUSALS: dict[str, tuple[dict[str, Any], type[openai.APIStatusError], str, str]] = {
    "bad model": ({"model": "gpt-4o-transcribe"}, openai.NotFoundError, "model_not_found", "model"),
    "language by name": ({"language": "English"}, openai.BadRequestError, "invalid_value", "language"),
    "no language": ({"language": "xx"}, openai.BadRequestError, "invalid_value", "language"),
    "temperature": ({"temperature": 0.7}, openai.BadRequestError, "invalid_value", "temperature"),
    "format": ({"response_format": "diarized_json"}, openai.BadRequestError, "invalid_value", "response_format"),
    "words in json": (
        {"timestamp_granularities": ["word"]},
        openai.BadRequestError,
        "invalid_value",
        "timestamp_granularities",
    ),
    "log probabilities": ({"include": ["logprobs"]}, openai.BadRequestError, "invalid_value", "include"),
    "chunking": (
        {"chunking_strategy": {"type": "server_vad"}},
        openai.BadRequestError,
        "unknown_parameter",
        "chunking_strategy[type]",
    ),
    "long prompt": ({"prompt": "word " * 300}, openai.BadRequestError, "invalid_value", "prompt"),
    "unknown": ({"extra_body": {"speed": 2}}, openai.BadRequestError, "unknown_parameter", "speed"),
    "empty": ({"file": ("a.wav", b"")}, openai.BadRequestError, "invalid_file", "file"),
    "text": ({"file": ("a.mp3", b"These are only words. " * 99)}, openai.BadRequestError, "unsupported_file", "file"),
    "playlist": (
        {"file": ("a.m3u8", b"#EXTM3U\n#EXTINF:9,\nhttp://127.0.0.1:9/a.ts\n")},
        openai.BadRequestError,
        "unsupported_file",
        "file",
    ),
    "session description": (
        {"file": ("a.sdp", b"v=0\r\nc=IN IP4 127.0.0.1\r\nm=audio 5004 RTP/AVP 0\r\n")},
        openai.BadRequestError,
        "unsupported_file",
        "file",
    ),
    "header only": ({"file": ("a.wav", GOOD)}, openai.BadRequestError, "invalid_file", "file"),
    "flac that is none": ({"file": ("a.flac", b"fLaC" + bytes(9_999))}, openai.BadRequestError, "invalid_file", "file"),
    "too big": (
        {"file": ("a.wav", GOOD + bytes(27_000_000))},
        openai.APIStatusError,
        "file_too_large",
        "file",
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_refusals_are_the_sdks_own_exceptions(client: openai.OpenAI, case: str, clips: dict[str, Clip]):
    """Each refusal raises the SDK's exception for its kind, with a sentence, a code, and the parameter's name."""
    changed, kind, code, param = REFUSALS[case]
    asked: dict[str, Any] = {"file": ("a.wav", wav(clips["hello_world"])), "model": MODEL} | changed
    with pytest.raises(kind) as refused:
        client.audio.transcriptions.create(**asked)
    assert (refused.value.code, refused.value.param) == (code, param)
    assert refused.value.body["message"]
    if case == "too big":
        assert refused.value.status_code == 413


def test_a_form_without_a_file_is_refused(pipeline: Pipeline, client: openai.OpenAI):
    """What the SDK itself does not send is refused in the same shape: no file, no form."""
    with pytest.raises(openai.BadRequestError) as refused:
        client.post("/audio/transcriptions", body={"model": MODEL}, cast_to=object)
    assert refused.value.code == "invalid_form"
    answer = httpx.post(
        f"{pipeline.openai_url}/audio/transcriptions",
        files={"other": b"x"},
        headers={"Authorization": f"Bearer {pipeline.key}"},
    )
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "file"


def test_a_truncated_file_is_refused(client: openai.OpenAI, clips: dict[str, Clip]):
    """An MP4 whose end, with its index, is missing."""
    whole = encoded(clips["hello_world"], "mp4")
    with pytest.raises(openai.BadRequestError) as refused:
        client.audio.transcriptions.create(file=("a.mp4", whole[: len(whole) // 2]), model=MODEL)
    assert refused.value.code == "invalid_file"


def test_a_bomb_is_refused(client: openai.OpenAI):
    """An hour in a megabyte, where five minutes are taken."""
    hour = bomb(3_600)
    assert len(hour) < 1_000_000
    with pytest.raises(openai.BadRequestError) as refused:
        client.audio.transcriptions.create(file=("a.flac", hour), model=MODEL)
    assert refused.value.code == "file_too_long"


def test_who_is_let_in(pipeline: Pipeline, clips: dict[str, Clip], talk: Clip):
    """A wrong key, and a key whose place is taken, raise the SDK's exceptions for that; closing a stream frees it."""
    file, short = ("talk.wav", wav(talk)), ("short.wav", wav(clips["hello_world"]))
    with openai.OpenAI(api_key="sk-nobody", base_url=pipeline.openai_url, max_retries=0) as stranger:
        with pytest.raises(openai.AuthenticationError) as refused:
            stranger.audio.transcriptions.create(file=file, model=MODEL)
        assert refused.value.code == "invalid_api_key"
        with pytest.raises(openai.AuthenticationError):
            stranger.models.list()
    with openai.OpenAI(api_key=pipeline.narrow_key, base_url=pipeline.openai_url, max_retries=0) as narrow:
        stream = narrow.audio.transcriptions.create(file=file, model=MODEL, stream=True)
        first = next(stream)
        assert first.type == "transcript.text.delta"
        with pytest.raises(openai.RateLimitError) as full:
            narrow.audio.transcriptions.create(file=file, model=MODEL)
        assert full.value.code == "rate_limit_exceeded"
        assert int(full.value.response.headers["retry-after"]) > 0
        stream.close()

        def taken_in() -> bool:
            try:
                return bool(narrow.audio.transcriptions.create(file=short, model=MODEL).text)
            except openai.RateLimitError:
                return False

        asyncio.run(eventually(taken_in, "the place of the stream that was closed to be free"))
