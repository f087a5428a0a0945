"""What the OpenAI Realtime protocol refuses, and how: an ``error`` event, and the session goes on."""

import base64
import json
from typing import Any

import pytest
from realtime_world import SECOND, Client, final, started

from speechpipe_common.wire import Error
from speechpipe_gateway.dialect import ProtocolError, Reply
from speechpipe_gateway.openai_realtime import RealtimeEntrance
from speechpipe_gateway.openai_realtime.dialect import MOST_APPENDED

HEARD = "session.audio.input"
TURNS = f"{HEARD}.turn_detection"


def update(**heard: Any) -> str:
    """``session.update`` of what is under ``audio.input``."""
    return json.dumps({"type": "session.update", "session": {"type": "transcription", "audio": {"input": heard}}})


def session(**fields: Any) -> str:
    """``session.update`` of these fields."""
    return json.dumps({"type": "session.update", "session": fields})


def beta(**fields: Any) -> str:
    """The update of the shape before."""
    return json.dumps({"type": "transcription_session.update", "session": fields})


def event(name: str, **fields: Any) -> str:
    """Any event."""
    return json.dumps({"type": name, **fields})


def turns(**fields: Any) -> str:
    """An update of the turn detection."""
    return update(turn_detection={"type": "server_vad", **fields})


def transcription(**fields: Any) -> str:
    """An update of the transcription."""
    return update(transcription=fields)


REFUSALS: list[tuple[str | bytes, str, str | None, str]] = [
    # No event at all.
    ("", "invalid_json", None, "JSON"),
    ("{", "invalid_json", None, "JSON"),
    ("[1]", "invalid_json", None, "list"),
    ("\ud800", "invalid_json", None, "JSON"),
    ("[" * 100_000, "invalid_json", None, "JSON"),
    ("{}", "missing_required_parameter", "type", "session.update"),
    ('{"type": 5}', "missing_required_parameter", "type", "session.update"),
    (event("input_audio_buffer.apend"), "invalid_value", "type", "'input_audio_buffer.apend'"),
    (event("input_audio_buffer.clear", event_id=7), "invalid_value", "event_id", "string"),
    (b"\0\0", "invalid_event", None, "base64"),
    # Sessions in which a model answers.
    (event("response.create"), "unsupported_event", "type", "response.create"),
    (event("response.cancel"), "unsupported_event", "type", "response.cancel"),
    (event("conversation.item.create", item={}), "unsupported_event", "type", "conversation.item.create"),
    (event("conversation.item.truncate", item_id="i"), "unsupported_event", "type", "truncate"),
    (event("output_audio_buffer.clear"), "unsupported_event", "type", "output_audio_buffer"),
    (session(type="realtime"), "invalid_value", "session.type", "'realtime'"),
    (session(type="transcription", tools=[]), "unknown_parameter", "session.tools", "tools"),
    (session(type="transcription", output_modalities=["text"]), "unknown_parameter", "session.output_modalities", ""),
    (session(type="transcription", audio={"output": {}}), "unknown_parameter", "session.audio.output", "output"),
    (turns(idle_timeout_ms=5_000), "invalid_value", f"{TURNS}.idle_timeout_ms", "model answers"),
    # Configuration.
    (event("session.update"), "missing_required_parameter", "session", "session"),
    (session(audio={}), "missing_required_parameter", "session.type", "type"),
    (event("session.update", session=[]), "invalid_type", "session", "object"),
    (session(type="transcription", include=["item.audio"]), "invalid_value",
     "session.include", "item.audio"),
    (update(format={"type": "audio/opus"}), "invalid_value", f"{HEARD}.format.type", "'audio/opus'"),
    (update(format={"type": "audio/pcm", "rate": 16_000}), "invalid_value", f"{HEARD}.format.rate", "16000"),
    (update(format="pcm16"), "invalid_type", f"{HEARD}.format", "object"),
    (beta(input_audio_format="opus"), "invalid_value", "session.input_audio_format", "'opus'"),
    (beta(modalities=["audio"]), "unknown_parameter", "session.modalities", "modalities"),
    (transcription(model="gpt-5"), "model_not_found", f"{HEARD}.transcription.model", "whisper-1"),
    (transcription(model="gpt-4o-transcribe-diarize"), "model_not_found", f"{HEARD}.transcription.model", "diarize"),
    (transcription(language="klingon"), "invalid_value", f"{HEARD}.transcription.language", "'klingon'"),
    (transcription(languages=["en", "de"]), "invalid_value", f"{HEARD}.transcription.languages", "language"),
    (transcription(delay="low"), "invalid_value", f"{HEARD}.transcription.delay", "delay"),
    (transcription(prompt="x" * 1_001), "invalid_value", f"{HEARD}.transcription.prompt", "1001"),
    (transcription(temperature=0), "unknown_parameter", f"{HEARD}.transcription.temperature", "temperature"),
    (update(transcription=None), "invalid_value", f"{HEARD}.transcription", "null"),
    (turns(type="semantic_vad"), "invalid_value", f"{TURNS}.type", "'semantic_vad'"),
    (turns(silence_duration_ms=20), "invalid_value", f"{TURNS}.silence_duration_ms", "200"),
    (turns(silence_duration_ms="long"), "invalid_type", f"{TURNS}.silence_duration_ms", "int"),
    (turns(threshold=1.5), "invalid_value", f"{TURNS}.threshold", "1.5"),
    (turns(prefix_padding_ms=-1), "invalid_value", f"{TURNS}.prefix_padding_ms", "-1"),
    (turns(eagerness="low"), "unknown_parameter", f"{TURNS}.eagerness", "eagerness"),
    # Audio.
    (event("input_audio_buffer.append"), "missing_required_parameter", "audio", "audio"),
    (event("input_audio_buffer.append", audio=5), "invalid_type", "audio", "str"),
    (event("input_audio_buffer.append", audio="a*b="), "invalid_value", "audio", "base64"),
    (event("input_audio_buffer.append", audio="Ä"), "invalid_value", "audio", "base64"),
    (event("input_audio_buffer.append", audio=base64.b64encode(bytes(MOST_APPENDED + 1)).decode()),
     "string_above_max_length", "audio", str(MOST_APPENDED)),
    (event("input_audio_buffer.commit"), "input_audio_buffer_commit_empty", None, "0 ms"),
]  # fmt: skip


@pytest.mark.parametrize(("frame", "code", "param", "says"), REFUSALS)
def test_an_event_is_refused(frame: str | bytes, code: str, param: str | None, says: str) -> None:
    """The error names its code and parameter and says what was wrong; the session is not touched, and goes on."""
    client = Client()
    assert client.raw(frame) == []
    error = client.refusal
    assert (error["type"], error["code"], error["param"]) == ("invalid_request_error", code, param)
    assert says in error["message"]
    assert client.events[-1]["event_id"]
    client.append()
    client.hear(started(0))
    assert client.hear(final(0, "Still here.", 16_000))[-2]["transcript"] == "Still here."


def test_an_error_names_its_event() -> None:
    """The id that a client gave to an event comes back with its refusal, and is null where there was none."""
    client = Client()
    client.say("response.create", event_id="mine")
    assert client.refusal["event_id"] == "mine"
    client.say("response.create")
    assert client.refusal["event_id"] is None


@pytest.mark.parametrize(
    ("heard", "param"),
    [
        ({"format": {"type": "audio/pcmu"}}, f"{HEARD}.format"),
        ({"turn_detection": None}, TURNS),
        ({"turn_detection": {"type": "server_vad", "silence_duration_ms": 900}}, TURNS),
        ({"transcription": {"prompt": "Ada"}}, f"{HEARD}.transcription.prompt"),
        ({"transcription": {"keywords": ["Ada"]}}, f"{HEARD}.transcription.keywords"),
    ],
)
def test_what_cannot_change_after_the_first_audio(heard: dict[str, Any], param: str) -> None:
    """Format, turns and hints are fixed then; saying what is in force already is no change."""
    client = Client()
    client.append()
    client.update(**heard)
    assert (client.refusal["code"], client.refusal["param"]) == ("cannot_update_after_audio", param)
    client.update(format={"type": "audio/pcm"}, turn_detection={"type": "server_vad"}, transcription={"prompt": ""})
    assert client.events[-1]["type"] == "session.updated"


def test_a_refused_update_changes_nothing() -> None:
    """Not even the fields in it that are right."""
    client = Client()
    client.update(format={"type": "audio/pcmu"}, turn_detection={"type": "semantic_vad"})
    client.update()
    assert client.events[-1]["session"]["audio"]["input"]["format"] == {"type": "audio/pcm", "rate": 24_000}


def test_a_commit_needs_a_tenth_of_a_second() -> None:
    """Since the last commit or clear, not since the beginning."""
    client = Client()
    client.append(SECOND[:4_798])
    client.say("input_audio_buffer.commit")
    assert "100 ms" in client.refusal["message"]
    client.append(bytes(2))
    client.commit()
    client.say("input_audio_buffer.commit")
    assert client.refusal["code"] == "input_audio_buffer_commit_empty"
    client.append()
    client.clear()
    client.say("input_audio_buffer.commit")
    assert client.refusal["code"] == "input_audio_buffer_commit_empty"


@pytest.mark.parametrize(
    ("code", "close", "kind", "shown", "closed"),
    [
        ("idle", 4408, "invalid_request_error", "idle", 1001),
        ("session_too_long", 4408, "invalid_request_error", "session_expired", 1001),
        ("bad_message", 4400, "invalid_request_error", "bad_message", 1007),
        ("internal", 1011, "server_error", "internal", 1011),
        ("draining", 1012, "server_error", "draining", 1012),
        ("unavailable", 1013, "server_error", "unavailable", 1013),
    ],
)
def test_ends_have_numbers_that_sdks_know(code: str, close: int, kind: str, shown: str, closed: int) -> None:
    """What ends a connection is an ``error`` first, and its close code is one of RFC 6455."""
    client = Client()
    client.hear(Error(code=code, message="so it is", close=close))
    assert (client.refusal["type"], client.refusal["code"]) == (kind, shown)
    assert client.dialect.goodbye(close, "so it is") == ((), closed)


ENTRANCE = RealtimeEntrance()


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ([("model", "gpt-realtime")], "gpt-realtime"),
        ([("intent", "conversation")], "conversation"),
        ([("call_id", "c")], "call_id"),
    ],
)
def test_a_handshake_is_refused(query: list[tuple[str, str]], says: str) -> None:
    """Models that are not there, and sessions that are none of ours, before the upgrade."""
    with pytest.raises(ProtocolError, match=says):
        ENTRANCE.begin(query, authenticated=True, sample_rate=16_000)


@pytest.mark.parametrize("query", [[], [("intent", "transcription")], [("model", "gpt-4o-transcribe"), ("x", "y")]])
def test_a_handshake_is_taken(query: list[tuple[str, str]]) -> None:
    """With the intent, a model, or neither; what else is in the address is passed over."""
    assert ENTRANCE.begin(query, authenticated=True, sample_rate=16_000).authenticated


def test_the_gateways_own_names_are_known() -> None:
    """What the pipeline calls its model is the default, and the protocol's names mean the same."""
    entrance = RealtimeEntrance(("large-v3", "whisper-1"))
    for query, model in (([], "large-v3"), ([("model", "gpt-4o-transcribe")], "gpt-4o-transcribe")):
        dialect = entrance.begin(query, authenticated=True, sample_rate=16_000)
        [created] = dialect.opening()
        assert isinstance(created, Reply)
        assert json.loads(created.text)["session"]["audio"]["input"]["transcription"]["model"] == model


@pytest.mark.parametrize(
    ("headers", "offered", "token"),
    [
        ({"authorization": "Bearer secret"}, (), "secret"),
        ({"authorization": "bearer  secret "}, ("openai-insecure-api-key.other",), "secret"),
        ({}, ("realtime", "openai-insecure-api-key.secret", "openai-beta.realtime-v1"), "secret"),
        ({}, ("realtime",), None),
        ({"authorization": "Basic c2VjcmV0"}, (), None),
        ({}, ("openai-insecure-api-key.",), ""),
    ],
)
def test_where_a_key_is_shown(headers: dict[str, str], offered: tuple[str, ...], token: str | None) -> None:
    """In the header, or where a browser can put it; it never comes back."""
    assert ENTRANCE.token(headers, offered) == token
    assert ENTRANCE.subprotocol(offered) == ("realtime" if "realtime" in offered else None)


@pytest.mark.parametrize(
    ("status", "code", "kind", "shown"),
    [
        (401, "not_authenticated", "authentication_error", "missing_api_key"),
        (401, "bad_token", "authentication_error", "invalid_api_key"),
        (401, "token_expired", "authentication_error", "token_expired"),
        (400, "model_not_found", "invalid_request_error", "model_not_found"),
        (403, "origin_denied", "invalid_request_error", "origin_denied"),
        (503, "full", "server_error", "full"),
    ],
)
def test_http_answers_have_the_apis_shape(status: int, code: str, kind: str, shown: str) -> None:
    """The body of a handshake that is refused is what clients of this API read."""
    body, _ = ENTRANCE.denial(status, code, "no")
    assert body == {"error": {"message": "no", "type": kind, "param": None, "code": shown}}


def test_pages_are_told_as_an_event() -> None:
    """They see no status."""
    text, close = ENTRANCE.error("bad_token", "no", 1008)
    told = json.loads(text)
    assert (told["type"], told["error"]["code"], close) == ("error", "invalid_api_key", 1008)
