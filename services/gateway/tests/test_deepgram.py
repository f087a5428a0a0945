"""``/v1/listen`` as a table of messages: what a client says and is told, with no socket."""

import hashlib
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from listen_world import ID, RAW, Client, final, onset, partial

from speechpipe_common.wire import AudioAck, Error, Flush, Keepalive, Ready, SetLangs, Start, Stop, Translation
from speechpipe_gateway.deepgram import DeepgramEntrance
from speechpipe_gateway.dialect import Audio, ProtocolError, Request

WEBM, OGG, WAV = b"\x1aE\xdf\xa3rest", b"OggSrest", b"RIFFrest"


def transcript(message: dict[str, Any]) -> str:
    """Of a Results."""
    text: str = message["channel"]["alternatives"][0]["transcript"]
    return text


# --- what a client says ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "opening"),
    [
        (RAW, [Start(partials=False)]),
        (
            "model=nova-3&language=en-US&encoding=mulaw&sample_rate=8000&interim_results=true",
            [SetLangs(source_language="en-US"), Start(sample_rate=8_000, format="mulaw")],
        ),
        (
            "language=multi&encoding=linear32&sample_rate=48000&channels=2&endpointing=500",
            [
                SetLangs(),
                Start(sample_rate=48_000, channels=2, format="f32", silence_threshold_seconds=0.5, partials=False),
            ],
        ),
        ("encoding=alaw&sample_rate=8000", [Start(sample_rate=8_000, format="alaw", partials=False)]),
        ("encoding=ogg-opus&sample_rate=48000", [Start(format="ogg", partials=False)]),
        ("detect_language=true", [SetLangs()]),
        ("", []),
        ("encoding=opus&sample_rate=48000", []),
        (f"{RAW}&endpointing=10", [Start(silence_threshold_seconds=0.2, partials=False)]),
        (f"{RAW}&endpointing=false", [Start(partials=False)]),
        (f"{RAW}&keyterm=Speechpipe&keyterm=kopf", [Start(partials=False, hotwords="Speechpipe, kopf")]),
        (f"{RAW}&keywords=Redis:2.5&keywords=k8s:x", [Start(partials=False, hotwords="Redis, k8s:x")]),
    ],
)
def test_a_query_opens_a_session(query: str, opening: list[Request]) -> None:
    """Options become languages and a start; without an encoding the first frame must say what it is of."""
    assert Client(query).opening == opening


@pytest.mark.parametrize(
    ("query", "frames", "requests"),
    [
        ("", [WEBM, b"more"], [Start(format="webm", partials=False), Audio(WEBM), Audio(b"more")]),
        ("", [OGG], [Start(format="ogg", partials=False), Audio(OGG)]),
        ("sample_rate=44100&channels=2", [WAV], [Start(format="wav", partials=False), Audio(WAV)]),
        ("", [b"O", b"g", b"gS!"], [Start(format="ogg", partials=False), Audio(b"OggS!")]),
        ("encoding=opus", [b"\x78"], [Start(format="opus", partials=False), Audio(b"\x78")]),
        ("encoding=opus", [WEBM], [Start(format="webm", partials=False), Audio(WEBM)]),
        (RAW, [b"abc", b"d", b"e"], [Audio(b"ab"), Audio(b"cd"), Audio(b"")]),
        (RAW, ["KeepAlive", b"ab", "Finalize"], [Keepalive(), Audio(b"ab"), Flush()]),
        (RAW, [b"ab", "CloseStream", b"cd", "Finalize", "KeepAlive", "CloseStream", b""], [Audio(b"ab"), Stop()]),
        (RAW, [b"ab", b"", b"cd"], [Audio(b"ab"), Stop()]),
        ("", ["CloseStream"], [Start(), Stop()]),
        (RAW, ['{"type":"Finalize","channel":0}'], [Flush()]),
    ],
)
def test_what_frames_ask_for(query: str, frames: list[str | bytes], requests: list[Request]) -> None:
    """Audio in whole samples, or in the container that it begins with; control messages; nothing after the end."""
    assert Client(query).say(*frames) == requests


def test_raw_audio_without_its_encoding_is_no_container() -> None:
    """The refusal says what came, and what to say."""
    with pytest.raises(ProtocolError, match=r"begins with 00 00 00 00.*encoding and sample_rate"):
        Client("").say(bytes(640))


@pytest.mark.parametrize("text", ["Finalise", "[1]", "{", '{"type":5}', '"\ud800"', "[" * 100_000, '{"type":"Start"}'])
def test_what_cannot_be_understood_is_answered(text: str) -> None:
    """With an Error that says it back; the stream goes on."""
    client = Client()
    assert client.say(text, b"ab") == [Audio(b"ab")]
    (error,) = client.replies
    assert (error["type"], error["variant"]) == ("Error", "SchemaError")
    assert len(error["message"]) <= 200


def test_options_cannot_change() -> None:
    """``Configure`` is refused in its own shape."""
    client = Client()
    assert client.say('{"type":"Configure","keyterms":["a"]}') == []
    assert client.replies[0]["type"] == "ConfigureFailure"
    assert client.replies[0]["request_id"] == ID
    assert client.replies[0]["code"] == "CONFIGURE_KEYTERMS_NOT_SUPPORTED"


# --- what a client is told -------------------------------------------------------------------------------------------


def test_a_caption_in_full() -> None:
    """All fields of a final, with its words bare and as written."""
    client = Client()
    (said,) = client.hear(final(0.5, 2.0, "Hello, world.", ("Hello,", 0.8, 1.2, 0.9), ("world.", 1.3, 1.7, 0.8)))
    assert said == {
        "type": "Results",
        "channel_index": [0, 1],
        "start": 0.0,
        "duration": 2.0,
        "is_final": True,
        "speech_final": True,
        "from_finalize": False,
        "channel": {
            "alternatives": [
                {
                    "transcript": "Hello, world.",
                    "confidence": 0.85,
                    "words": [
                        {"word": "hello", "punctuated_word": "Hello,", "start": 0.8, "end": 1.2, "confidence": 0.9},
                        {"word": "world", "punctuated_word": "world.", "start": 1.3, "end": 1.7, "confidence": 0.8},
                    ],
                }
            ]
        },
        "metadata": {
            "request_id": ID,
            "model_info": said["metadata"]["model_info"],
            "model_uuid": said["metadata"]["model_uuid"],
        },
    }
    assert said["metadata"]["model_info"]["name"] == "speechpipe"


def test_results_follow_each_other_without_a_gap() -> None:
    """Each begins where the final before it ended; interim ones reach to what was heard."""
    client = Client(f"{RAW}&interim_results=true")
    client.heard(2.5)
    said = client.hear(partial(0.5, "one"), final(0.5, 2, "One."), final(3, 5, "two", continues=True))
    client.heard(7.25)
    said += client.hear(partial(5, "three"), final(5, 7, "three."))
    assert [(s["start"], s["duration"], s["is_final"], s["speech_final"], transcript(s)) for s in said] == [
        (0.0, 2.5, False, False, "one"),
        (0.0, 2.0, True, True, "One."),
        (2.0, 3.0, True, False, "two"),
        (5.0, 2.25, False, False, "three"),
        (5.0, 2.0, True, True, "three."),
    ]


def test_without_endpointing_nothing_is_speech_final() -> None:
    """Captions come all the same."""
    (said,) = Client(f"{RAW}&endpointing=false").hear(final(0, 2, "One."))
    assert (said["is_final"], said["speech_final"]) == (True, False)


def test_a_language_is_told_where_it_was_asked_for() -> None:
    """``language=multi`` has each result say what was spoken."""
    (said,) = Client(f"{RAW}&language=multi&interim_results=true").hear(partial(0, "hola", "es"))
    assert said["channel"]["alternatives"][0]["languages"] == ["es"]


def test_onsets_are_told_on_request() -> None:
    """``vad_events`` gives SpeechStarted, in seconds."""
    assert Client(f"{RAW}&vad_events=true").hear(onset(1.5)) == [
        {"type": "SpeechStarted", "channel": [0, 1], "timestamp": 1.5}
    ]
    assert Client().hear(onset(1.5)) == []


def test_finalize_is_answered_by_the_last_final_that_it_waits_for() -> None:
    """Once for each, and at once where nothing is pending."""
    client = Client()
    client.heard(9)
    said = client.flushed(0, 48_000)
    said += client.hear(final(0, 3, "one", continues=True), final(3, 5, "two"))
    said += client.flushed()
    assert [(transcript(s), s["from_finalize"], s["start"], s["duration"]) for s in said] == [
        ("one", False, 0.0, 3.0),
        ("two", True, 3.0, 2.0),
        ("", True, 5.0, 4.0),
    ]
    assert all(s["is_final"] for s in said)


def test_every_finalize_has_its_answer() -> None:
    """Also where the segment has failed, or before any audio; those that wait for the same captions share it."""
    client = Client()
    client.flushed(0)
    client.flushed(0, 48_000)
    client.flushed(0, 48_000)
    said = client.hear(final(0, 3, "one"), final(3, 5, "two"))
    assert [(transcript(s), s["from_finalize"]) for s in said] == [("one", True), ("two", True)]
    client.flushed(64_000)
    error, answer = client.hear(Error(code="poison", message="it failed three times", segment_id="64000"))
    assert (error["type"], error["variant"], error["description"]) == ("Error", "poison", "it failed three times")
    assert (answer["from_finalize"], transcript(answer)) == (True, "")
    before = Client("")
    before.say("Finalize")
    assert before.replies[0]["from_finalize"] is True


def test_utterances_end_after_a_gap() -> None:
    """Once, when as much audio as was asked for has followed the last word and nobody speaks."""
    client = Client(f"{RAW}&utterance_end_ms=1000")
    assert client.heard(1.0) == []
    client.hear(onset(0.5), final(0.5, 2.0, "one", ("one", 0.8, 1.5, 0.9)))
    assert client.heard(2.4) == []
    assert client.heard(2.5) == [{"type": "UtteranceEnd", "channel": [0, 1], "last_word_end": 1.5}]
    assert client.heard(9.0) == []


def test_an_utterance_does_not_end_while_somebody_speaks() -> None:
    """Speech within the gap goes on with it; speech behind it does not, however late the final comes."""
    client = Client(f"{RAW}&utterance_end_ms=1000")
    client.hear(onset(0.5), final(0.5, 2.0, "one", ("one", 0.8, 1.5, 0.9)), onset(2.2))
    assert client.heard(4.0) == []
    assert client.hear(onset(8.0)) == []
    result, ended = client.hear(final(2.2, 4.0, "two", ("two", 2.4, 3.0, 0.9)))
    assert (transcript(result), ended["last_word_end"]) == ("two", 3.0)


def test_a_late_final_shows_that_an_utterance_had_ended() -> None:
    """An onset lies before its first word; the words tell where the gap was."""
    client = Client(f"{RAW}&utterance_end_ms=1000")
    client.hear(onset(0.5), onset(2.2), final(0.5, 2.0, "one", ("one", 0.8, 1.5, 0.9)))
    assert client.heard(9.0) == []
    said = client.hear(final(2.2, 4.0, "two", ("two", 2.5, 3.0, 0.9)))
    assert [message.get("last_word_end") for message in said] == [1.5, None, 3.0]
    assert transcript(said[1]) == "two"


def test_a_cut_sentence_is_no_end() -> None:
    """A final that continues is followed by the rest."""
    client = Client(f"{RAW}&utterance_end_ms=1000")
    client.hear(final(0, 30, "one", ("one", 0.8, 1.5, 0.9), continues=True))
    assert client.heard(31.0) == []


def test_nothing_else_is_told() -> None:
    """Acknowledgements, translations and the ready are not of this protocol."""
    client = Client()
    ready = Ready(
        session_id="s", token="t", offset=0, resumed=False, sample_rate=1, channels=1, format="s16", cursor="0-0"
    )
    translation = Translation(segment_id="0", rev=1, text="t", language="es", is_final=True, cursor="0-0")
    untranslated = Error(code="c", message="m", segment_id="0", language="es")
    assert client.hear(ready, AudioAck(offset=1, cursor="0-0"), translation, untranslated) == []


def test_metadata_comes_last() -> None:
    """With the duration, and the digest of all bytes that came."""
    client = Client()
    client.say(b"abc", b"d", "CloseStream", b"after the end")
    client.heard(2.0)
    (said,), code = client.goodbye(1000)
    assert (code, said["type"], said["request_id"], said["duration"]) == (1000, "Metadata", ID, 2.0)
    assert said["sha256"] == hashlib.sha256(b"abcd").hexdigest()
    assert said["models"] == list(said["model_info"])


@pytest.mark.parametrize(
    ("code", "close", "variant", "theirs"),
    [
        ("odd_byte_count", 4400, "DATA-0000", 1008),
        ("idle", 4408, "NET-0001", 1011),
        ("internal", 1011, "internal", 1011),
        ("session_too_long", 4408, "NET-0001", 1011),
        ("full", 1013, "full", 1013),
    ],
)
def test_a_stream_that_ends_badly(code: str, close: int, variant: str, theirs: int) -> None:
    """An Error with the sentence, then Deepgram's close code, and no Metadata."""
    client = Client()
    (said,) = client.hear(Error(code=code, message="why", close=close))
    assert said == {"type": "Error", "variant": variant, "description": "why"}
    assert client.goodbye(close) == ([], theirs)


# --- the door --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "offered", "token"),
    [
        ({"authorization": "Token abc"}, [], "abc"),
        ({"authorization": "token abc"}, [], "abc"),
        ({"authorization": "bearer abc"}, [], "abc"),
        ({}, ["token", "abc"], "abc"),
        ({}, ["bearer", "a.b.c"], "a.b.c"),
        ({}, ["token"], ""),
        ({}, [], None),
        ({}, ["speechpipe.v1"], None),
        ({"authorization": "Basic abc"}, [], None),
        ({"authorization": "Token abc"}, ["token", "other"], "abc"),
    ],
)
def test_where_a_key_stands(headers: dict[str, str], offered: list[str], token: str | None) -> None:
    """In the header, or as the subprotocol after its scheme."""
    entrance = DeepgramEntrance()
    assert entrance.token(headers, offered) == token
    assert entrance.subprotocol(offered) in (None, "token", "bearer")


def test_a_refused_handshake() -> None:
    """Body and headers are Deepgram's; what a client has said cannot break a header."""
    body, headers = DeepgramEntrance().denial(400, "bad_option", "language: unknown language 'é\\n'")
    assert body["err_code"] == "Bad Request"
    assert set(body) == {"err_code", "err_msg", "request_id"}
    assert headers["dg-request-id"] == body["request_id"]
    assert headers["dg-error"].isascii()
    assert headers["dg-error"].isprintable()


def test_a_page_is_told_in_a_message() -> None:
    """It sees no HTTP status."""
    text, code = DeepgramEntrance().error("full", "all sessions are taken", 1013)
    assert (json.loads(text)["description"], code) == ("all sessions are taken", 1013)


@given(st.lists(st.one_of(st.text(), st.binary(max_size=64), st.sampled_from(["KeepAlive", "Finalize"])), max_size=8))
def test_any_frames_are_requests_or_a_refusal(frames: list[str | bytes]) -> None:
    """Rubbish never raises anything else, in a container or as samples."""
    for query in (RAW, "", "encoding=opus"):
        client = Client(query)
        with suppress(ProtocolError):
            client.say(*frames)
        for reply in client.replies:
            assert reply["type"] in ("Error", "Results", "ConfigureFailure")
