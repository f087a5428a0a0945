"""The OpenAI Realtime protocol as tables of messages: configuration, audio, and rubbish."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.realtime import RealtimeServerEvent
from pydantic import TypeAdapter
from realtime_world import (
    SECOND,
    Client,
    audio_of,
    final,
    lost,
    names,
    partial,
    started,
)

from speechpipe_common.wire import Ready, SetLangs, Start, Translation
from speechpipe_gateway.dialect import Audio, Timekeeper
from speechpipe_gateway.openai_realtime.config import Config


def test_the_first_event_is_the_configuration() -> None:
    """A client is told what is in force before it says anything, and that these are transcription sessions."""
    client = Client(Config(model="gpt-4o-transcribe"))
    created = client.events[0]
    heard = created["session"]["audio"]["input"]
    assert (created["type"], created["session"]["type"]) == ("session.created", "transcription")
    assert created["event_id"]
    assert created["session"]["id"]
    assert heard["format"] == {"type": "audio/pcm", "rate": 24_000}
    assert heard["transcription"]["model"] == "gpt-4o-transcribe"
    assert heard["turn_detection"]["silence_duration_ms"] == 500
    assert isinstance(client.dialect, Timekeeper)


@pytest.mark.parametrize(
    ("format_", "rate", "native"),
    [
        ({"type": "audio/pcm", "rate": 24_000}, 24_000, "s16"),
        ({"type": "audio/pcm"}, 24_000, "s16"),
        ({"type": "audio/pcmu"}, 8_000, "mulaw"),
        ({"type": "audio/pcma"}, 8_000, "alaw"),
    ],
)
def test_a_session_starts_with_the_first_audio(format_: dict[str, object], rate: int, native: str) -> None:
    """All that was configured goes into ``start``, and the audio after it, decoded."""
    client = Client()
    client.update(
        format=format_,
        transcription={
            "model": "whisper-1",
            "language": "English",
            "prompt": "Names: Ada.",
            "keywords": ["Kopf", "CRD"],
        },
        turn_detection={"type": "server_vad", "threshold": 0.4, "prefix_padding_ms": 200, "silence_duration_ms": 700},
        noise_reduction={"type": "near_field"},
    )
    assert client.append(b"abcd") == [
        SetLangs(source_language="en"),
        Start(
            sample_rate=rate, format=native, silence_threshold_seconds=0.7, prompt="Names: Ada.", hotwords="Kopf, CRD"
        ),
        Audio(b"abcd"),
    ]
    assert client.append(b"efgh") == [Audio(b"efgh")]


def test_what_does_not_count_is_shown_as_null() -> None:
    """``session.updated`` shows what is in force: no threshold, padding or noise reduction of the session's own."""
    client = Client()
    client.update(turn_detection={"type": "server_vad", "threshold": 0.9}, noise_reduction={"type": "far_field"})
    heard = client.events[-1]["session"]["audio"]["input"]
    assert client.events[-1]["type"] == "session.updated"
    assert heard["noise_reduction"] is None
    assert heard["turn_detection"] == {
        "type": "server_vad",
        "threshold": None,
        "prefix_padding_ms": None,
        "silence_duration_ms": 500,
    }


def test_what_is_not_named_stays() -> None:
    """An update changes the fields that it names, null included, and no others."""
    client = Client()
    client.update(transcription={"model": "gpt-4o-transcribe", "language": "de"}, turn_detection=None)
    client.update(transcription={"prompt": "Hallo"})
    heard = client.events[-1]["session"]["audio"]["input"]
    assert heard["transcription"] == {"model": "gpt-4o-transcribe", "language": "de", "prompt": "Hallo"}
    assert heard["turn_detection"] is None
    client.update(transcription={"language": None})
    assert client.events[-1]["session"]["audio"]["input"]["transcription"]["language"] is None


def test_the_shape_before() -> None:
    """``transcription_session.update`` is understood and answered in its own shape, item events too."""
    client = Client()
    client.say(
        "transcription_session.update",
        session={
            "input_audio_format": "g711_alaw",
            "input_audio_transcription": {"model": "whisper-1", "language": "fr"},
            "turn_detection": None,
            "input_audio_noise_reduction": {"type": "near_field"},
        },
    )
    answer = client.events[-1]
    assert answer["type"] == "transcription_session.updated"
    assert answer["session"]["input_audio_format"] == "g711_alaw"
    assert answer["session"]["input_audio_transcription"]["language"] == "fr"
    start = client.append(bytes(8_000))[1]
    assert isinstance(start, Start)
    assert (start.format, start.sample_rate) == ("alaw", 8_000)
    client.hear(final(0, "Bonjour.", 16_000, language="fr"))
    assert names(client.commit()) == ["committed", "item.created", "~delta", "~completed"]


def test_the_language_may_change_while_somebody_speaks() -> None:
    """It holds from the next segment on, as in the native protocol; null detects."""
    client = Client()
    client.append()
    assert client.update(transcription={"language": "es"}) == [SetLangs(source_language="es")]
    assert client.update(transcription={"language": None}) == [SetLangs(source_language="auto")]
    assert client.update(transcription={"model": "gpt-4o-mini-transcribe"}) == []
    assert client.events[-1]["session"]["audio"]["input"]["transcription"]["model"] == "gpt-4o-mini-transcribe"


@settings(deadline=None)
@given(st.lists(st.binary(max_size=9), max_size=8))
def test_audio_may_be_cut_anywhere(pieces: list[bytes]) -> None:
    """Samples that two events share arrive whole, in order; half a sample at the end waits."""
    client = Client()
    for piece in pieces:
        client.append(piece)
    whole = b"".join(pieces)
    assert audio_of(client.requests) == whole[: len(whole) // 2 * 2]
    assert all(len(r.frame) % 2 == 0 for r in client.requests if isinstance(r, Audio))


def test_what_this_protocol_has_no_word_for_is_not_said() -> None:
    """Resume tokens, acknowledgements and translations stay inside."""
    client = Client()
    ready = Ready(
        session_id="s",
        token="t",
        offset=0,
        resumed=False,
        sample_rate=24_000,
        channels=1,
        format="s16",
        cursor="0-0",
    )
    translation = Translation(segment_id="0", rev=1, text="Hola", language="es", is_final=True, cursor="0-0")
    assert client.dialect.said(ready) == client.dialect.said(translation) == ()


def test_every_event_is_one_of_the_vendors() -> None:
    """The models of the vendor's own package take each event, field by field."""
    client = Client()
    client.update(transcription={"language": "en", "keywords": ["Kopf"]}, turn_detection=None)
    client.update(turn_detection={"type": "server_vad"})
    client.append()
    client.hear(started(0))
    client.hear(partial(0, "a b"))
    client.hear(final(0, "A b.", 16_000))
    client.hear(started(20_000))
    client.hear(lost(20_000))
    client.clear()
    client.append()
    client.commit()
    client.say("response.create")
    known = TypeAdapter(RealtimeServerEvent)
    read = [known.validate_python(event, strict=True) for event in client.events]
    assert [event.type for event in read] == [event["type"] for event in client.events]
    assert len({event.type for event in read}) == 12


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.dictionaries(
    st.sampled_from(["event_id", "session", "audio", "item", "type", "response"]), JSON, max_size=4
)


@settings(deadline=None)
@given(
    st.one_of(
        st.text(max_size=60),
        st.binary(max_size=20),
        JSON.map(json.dumps),
        st.tuples(
            st.sampled_from(["session.update", "transcription_session.update", "input_audio_buffer.append"]), FIELDS
        ).map(lambda pair: json.dumps({**pair[1], "type": pair[0]})),
        JSON.map(
            lambda heard: json.dumps({"type": "session.update", "session": {"type": "transcription", "audio": heard}})
        ),
    )
)
def test_rubbish_is_answered_and_forgotten(frame: str | bytes) -> None:
    """Whatever a frame holds, the dialect raises nothing, and the session that follows is as if it had not come."""
    client = Client()
    client.raw(frame)
    client.update(
        transcription={"language": None, "prompt": "", "model": "whisper-1"}, turn_detection={"type": "server_vad"}
    )
    client.append(SECOND)
    client.hear(started(0))
    assert client.hear(final(0, "Fine.", 16_000))[-2]["transcript"] == "Fine."
    assert all(event["event_id"] for event in client.events)
