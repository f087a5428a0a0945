"""What the public library does beyond a session's messages: typed events, sources, sentences of its errors."""

import asyncio
import http
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile
from peer import DEADLINE, Caller, final, gateway, partial, translated

import speechpipe_client
from speechpipe_client import (
    AudioError,
    AudioFile,
    AuthenticationError,
    Back,
    Event,
    Final,
    GatewayFull,
    GatewayUnreachable,
    Limits,
    Lost,
    MicrophoneDenied,
    MicrophoneError,
    NoMicrophone,
    Opened,
    Partial,
    Problem,
    ProtocolError,
    SessionEnded,
    SessionLost,
    SessionOptions,
    SpeechpipeError,
    SpeechStarted,
    Translation,
    UnsupportedLanguage,
    connect,
    transcribe,
    transcribe_file,
)
from speechpipe_client.captions import CaptionForm, captions_url
from speechpipe_client.microphone_errors import cannot_record, not_found
from speechpipe_client.options import RawFormat
from speechpipe_common import wire

PCM = bytes(range(256)) * 100


async def hear_all(caller: Caller) -> None:
    """Take everything, and say what was heard."""
    await caller.welcome()
    await caller.hear(wire.Stop)
    await caller.say(final("0", f"{len(caller.audio)} bytes", "1-0"))
    await caller.socket.close(1000)


@pytest.fixture
def talk(tmp_path: Path) -> Path:
    """Half a second of stereo at 8 kHz."""
    path = tmp_path / "talk.flac"
    soundfile.write(path, np.arange(8000, dtype=np.int16).reshape(4000, 2), 8000)
    return path


def test_every_public_name_is_there_and_explained():
    """``__all__`` names what can be imported, and each of its classes and functions says what it is."""
    public = [getattr(speechpipe_client, name) for name in speechpipe_client.__all__]
    assert [item for item in public if (isinstance(item, type) or callable(item)) and not item.__doc__] == []
    assert Path(speechpipe_client.__file__).with_name("py.typed").exists()


async def test_events_can_be_matched_and_tell_of_a_lost_connection():
    """Each kind of event is a class of its own; a lost connection is an event, and so is its coming back."""

    async def first(caller: Caller) -> None:
        await caller.welcome("t1")
        await caller.say(
            wire.SpeechStarted(segment_id="0", offset=0),
            partial("0", "hel", 1),
            final("0", "hello", "1-0"),
            translated("0", "hola", is_final=True, cursor="2-0"),
            wire.Error(code="unsupported_pair", message="no pair", segment_id="0", language="de"),
        )
        await caller.hear(wire.Flush)
        caller.vanish()

    async def second(caller: Caller) -> None:
        await caller.welcome("t2")
        await caller.finish()

    seen: list[str] = []
    async with gateway(first, second) as peer, asyncio.timeout(DEADLINE), connect(peer.url) as session:
        async for event in session:
            match event:
                case Opened(session_id=name):
                    seen.append(f"opened {name}")
                case SpeechStarted(offset=offset):
                    seen.append(f"speech {offset}")
                case Partial(text=text):
                    seen.append(f"partial {text}")
                case Final(text=text, language=language):
                    seen.append(f"final {language} {text}")
                case Translation(text=text, language=language):
                    seen.append(f"translation {language} {text}")
                case Problem(code=code):
                    seen.append(f"problem {code}")
                    await session.flush()
                case Lost():
                    seen.append(f"lost {event.message}")
                case Back(away_seconds=seconds):
                    seen.append(f"back {seconds >= 0}")
                    await session.stop()
    assert seen == [
        "opened s",
        "speech 0",
        "partial hel",
        "final en hello",
        "translation es hola",
        "problem unsupported_pair",
        "lost the connection broke (close 1006)",
        "back True",
    ]


async def test_patience_that_runs_out_says_so_after_lost():
    """The last event of a session that does not come back is ``Lost``; then the error says what happened."""

    async def leave(caller: Caller) -> None:
        await caller.welcome()
        await caller.socket.close(1012, "restarting")

    events: list[Event] = []
    async with gateway(leave) as peer:
        with pytest.raises(SessionLost, match=r"lost and did not come back within 0 s: restarting") as caught:
            await transcribe([], peer.url, on_event=events.append, limits=Limits(patience_seconds=0))
    assert [type(event) for event in events] == [Opened, Lost]
    assert isinstance(caught.value, GatewayUnreachable)


async def test_a_file_is_sent_in_its_own_format_by_the_session(talk: Path):
    """``audio=AudioFile`` needs nothing else: rate and channels are the file's, and the session stops at its end."""
    async with (
        asyncio.timeout(DEADLINE),
        gateway(hear_all) as peer,
        connect(peer.url, language="English", translate="spa", audio=AudioFile.open(talk)) as session,
    ):
        texts = [event.text async for event in session if isinstance(event, Final)]
    assert texts == ["16000 bytes"]
    assert peer.callers[0].messages[:2] == [
        wire.SetLangs(source_language="en", target_languages=("es",)),
        wire.Start(sample_rate=8000, channels=2),
    ]
    assert bytes(peer.callers[0].audio) == np.arange(8000, dtype="<i2").tobytes()


async def async_blocks() -> AsyncIterator[bytes]:
    """Asynchronous audio."""
    for begin in range(0, len(PCM), 1000):
        yield PCM[begin : begin + 1000]


def blocks() -> Iterator[bytes]:
    """Ordinary audio, which must not be read on the event loop."""
    assert threading.current_thread() is not threading.main_thread()
    for begin in range(0, len(PCM), 1000):
        yield PCM[begin : begin + 1000]


@dataclass
class Tone:
    """A source with a format of its own."""

    sample_rate: int = 44_100
    channels: int = 1
    format: RawFormat = "f32"
    live: bool = True

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Some blocks."""
        return async_blocks()


@pytest.mark.parametrize("make", [async_blocks, blocks, Tone, lambda: [PCM]])
async def test_anything_that_gives_blocks_is_audio(make):
    """Generators of both kinds, lists, and sources with a format of their own are sent whole and in order."""
    audio = make()
    wishes = {} if isinstance(audio, Tone) else {"sample_rate": 44_100, "format": "f32"}
    async with gateway(hear_all) as peer, asyncio.timeout(DEADLINE):
        transcript = await transcribe(audio, peer.url, **wishes)
    assert transcript.text == f"{len(PCM)} bytes"
    assert bytes(peer.callers[0].audio) == PCM
    assert peer.callers[0].messages[1] == wire.Start(sample_rate=44_100, format="f32", partials=False)


async def test_what_a_source_raises_comes_after_what_was_said_before():
    """A microphone that is pulled out: the finals of what it gave are still delivered, then its error is raised."""

    async def breaking() -> AsyncIterator[bytes]:
        yield PCM
        raise MicrophoneError("pulled out")

    heard: list[Event] = []
    async with gateway(hear_all) as peer, asyncio.timeout(DEADLINE):
        with pytest.raises(MicrophoneError, match="pulled out"):
            await transcribe(breaking(), peer.url, on_event=heard.append)
    assert [event.text for event in heard if isinstance(event, Final)] == [f"{len(PCM)} bytes"]


async def test_a_session_that_is_left_leaves_its_source_closed():
    """Leaving early ends the generator that was being sent, so that it can let go of what it holds."""
    begun, closed = asyncio.Event(), asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        try:
            while True:
                begun.set()
                yield PCM
        finally:
            closed.set()

    async with gateway(hear_all) as peer, asyncio.timeout(DEADLINE):
        async with connect(peer.url, audio=endless()):
            await begun.wait()
        await closed.wait()


async def test_a_live_source_is_kept_while_the_connection_is_away():
    """A microphone goes on while the connection is lost: far more than is usually queued is taken, and then sent."""
    block = bytes(32_000)
    spoken = asyncio.Event()

    class Live(Tone):
        def __init__(self) -> None:
            super().__init__(16_000, 1, "s16")

        async def __aiter__(self) -> AsyncIterator[bytes]:
            for _ in range(20):
                yield block
            spoken.set()

    async def first(caller: Caller) -> None:
        await caller.welcome("t1")
        await caller.hear_audio(len(block))
        caller.vanish()

    async def second(caller: Caller) -> None:
        await spoken.wait()
        await caller.welcome("t2")
        await caller.hear(wire.Stop)
        await caller.say(final("0", f"{len(caller.audio)} bytes", "1-0"))
        await caller.socket.close(1000)

    async with gateway(first, second) as peer, asyncio.timeout(DEADLINE):
        transcript = await transcribe(Live(), peer.url)
    assert transcript.text == f"{20 * len(block)} bytes"


def test_a_format_twice_and_options_twice_are_refused(talk: Path):
    """What would be guessed otherwise is asked for: two formats, or options beside keywords."""
    with pytest.raises(ValueError, match="AudioFile has a format of its own: leave out sample_rate"):
        connect("ws://x/ws", audio=AudioFile.open(talk), sample_rate=16_000)
    with pytest.raises(ValueError, match="not both"):
        connect("ws://x/ws", SessionOptions(), language="en")
    with pytest.raises(ValueError, match="at least one"):
        connect([])


@pytest.mark.parametrize(
    ("keywords", "sentence"),
    [
        ({"language": "Klingon"}, "unknown language 'Klingon'"),
        ({"translate": ("es", "xx-nope")}, "unknown language 'xx-nope'"),
        ({"language": "Breton", "translate": "auto"}, "unknown language 'auto'"),
    ],
)
def test_a_language_that_nobody_knows_is_named_at_once(keywords, sentence):
    """No connection is needed to say that a language does not exist."""
    with pytest.raises(UnsupportedLanguage, match=sentence):
        connect("ws://x/ws", **keywords)


async def test_a_wrong_key_and_a_full_gateway_say_what_the_gateway_said():
    """The reason that a gateway gives before the upgrade is part of the sentence."""
    unauthorised: tuple[http.HTTPStatus, dict[str, str]] = (http.HTTPStatus.UNAUTHORIZED, {})
    full = (http.HTTPStatus.SERVICE_UNAVAILABLE, {"Retry-After": "1"})
    async with gateway(
        refusals=[unauthorised, full], body='{"code": "bad_token", "message": "not known here"}'
    ) as peer:
        with pytest.raises(AuthenticationError, match=r"refused the API key: not known here \(HTTP 401\)"):
            await transcribe([], peer.url, api_key="wrong")
        with pytest.raises(GatewayFull, match=r"is full: not known here \(HTTP 503\)"):
            await transcribe([], peer.url, limits=Limits(opening_seconds=0))


@pytest.mark.parametrize(
    ("gateway", "form", "language", "expected"),
    [
        ("ws://h:5026/ws", "vtt", None, "http://h:5026/captions/a-b_c.vtt?token=1.t"),
        ("wss://h/pipe/ws", "srt", "es", "https://h/pipe/captions/a-b_c.srt?token=1.t&language=es"),
    ],
)
def test_the_link_for_an_audience_is_beside_the_socket(gateway: str, form: CaptionForm, language: str, expected: str):
    """The same host and folder as the WebSocket, with TLS where that has it."""
    assert captions_url(gateway, "a-b_c", "1.t", form, language) == expected


async def test_a_gateway_without_links_says_so():
    """An older gateway gives no captions token; the error says that, and not that a session is missing."""
    async with gateway(hear_all) as peer, connect(peer.url, audio=[]) as session:
        with pytest.raises(ProtocolError, match="older than this client"):
            session.captions_url()
    with pytest.raises(SessionEnded, match="not open"):
        connect(peer.url).captions_url()


async def test_a_server_that_is_down_is_said_plainly():
    """Nobody listening is no stack of errno, but a sentence with the address."""
    async with gateway() as peer:
        url = peer.url
    with pytest.raises(GatewayUnreachable, match=f"no gateway answers at {url}: nothing listens there; is it running"):
        await transcribe([], url)


async def test_a_file_that_is_none_is_said_before_anything_is_opened(tmp_path: Path):
    """A missing file is an error of the file, whatever the address."""
    with pytest.raises(AudioError, match="there is no such file"):
        await transcribe_file(tmp_path / "none.wav", "ws://x/ws")


@pytest.mark.parametrize(
    ("said", "kind", "sentence"),
    [
        ("Error opening RawInputStream: Device unavailable [PaErrorCode -9985]", MicrophoneError, "another program"),
        ("Unanticipated host error: 'Permission denied' [ALSA error -13]", MicrophoneDenied, "may not listen to USB"),
        ("Unanticipated host error: '' [Windows WASAPI error -2147024891]", MicrophoneDenied, "may not listen"),
        ("Invalid sample rate [PaErrorCode -9997]", MicrophoneError, "cannot record from USB: Invalid sample rate"),
    ],
)
def test_what_portaudio_says_becomes_a_sentence(said: str, kind: type[SpeechpipeError], sentence: str):
    """Denied, busy and other failures are told apart."""
    error = cannot_record("USB", said)
    assert type(error) is kind
    assert sentence in str(error)


def test_no_microphone_and_none_that_may_be_used_are_different(tmp_path: Path):
    """Without any device there is none; with one that this user may not read, it is denied."""
    assert isinstance(not_found(None, "Error querying device -1", tmp_path), NoMicrophone)
    locked = tmp_path / "pcmC0D0c"
    locked.touch()
    assert isinstance(not_found(None, "Error querying device -1", tmp_path), NoMicrophone)
    assert isinstance(not_found(None, "", tmp_path, readable=lambda path: False), MicrophoneDenied)
