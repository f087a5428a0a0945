"""From a session's messages to an answer, without a session."""

import json
from itertools import permutations

import pytest

from speechpipe_common.wire import Error, FinalCaption, ServerMessage, SpeechStarted, Translation, WireWord
from speechpipe_gateway.files.asking import Ask
from speechpipe_gateway.files.collecting import Collector
from speechpipe_gateway.files.errors import ApiError
from speechpipe_gateway.files.transcript import Piece, delta, done, full_text, write


def final(segment: int, text: str, language: str = "en") -> FinalCaption:
    """A final that begins at its segment's offset; its words take half a second each."""
    begin = segment / 16_000
    words = tuple(
        WireWord(text=word, start=begin + number / 2, end=begin + number / 2 + 0.5, probability=0.5)
        for number, word in enumerate(text.split())
    )
    return FinalCaption(
        segment_id=str(segment),
        rev=1,
        text=text,
        language=language,
        start=begin,
        end=begin + 3,
        words=words,
        continues=False,
        processing_time=0.1,
        cursor="0-0",
    )


def translation(segment: int, text: str) -> Translation:
    """Its final translation into English."""
    return Translation(segment_id=str(segment), rev=1, text=text, language="en", is_final=True, cursor="0-0")


BEGUN: list[ServerMessage] = [SpeechStarted(segment_id=str(n), offset=n) for n in (0, 48_000, 96_000)]
SAID = [final(0, "One thing."), final(48_000, ""), final(96_000, "Another thing.")]


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_pieces_come_in_the_order_of_speech(order: tuple[int, ...]):
    """Whatever order workers finish in, pieces are given out in that of the audio, each once, empty ones never."""
    collector = Collector()
    given = [piece.text for message in BEGUN for piece in collector.take(message)]
    given += [piece.text for number in order for piece in collector.take(SAID[number])]
    assert given == ["One thing.", "Another thing."]
    assert collector.finish() == []


def test_a_translation_is_waited_for():
    """A final without its translation holds back itself and what follows; one without text waits for none."""
    collector = Collector("en")
    for message in (*BEGUN, *(final(0, "Una cosa.", "es"), final(48_000, ""), final(96_000, "Otra.", "es"))):
        assert collector.take(message) == []
    assert collector.take(translation(96_000, "Another.")) == []
    assert [piece.text for piece in collector.take(translation(0, "One thing."))] == ["One thing.", "Another."]


def test_a_segment_that_failed_fails_the_file():
    """What no worker can decode is said with its place, not left out."""
    collector = Collector()
    collector.take(BEGUN[1])
    with pytest.raises(ApiError, match=r"at 3\.0 s.*too_often.*") as failed:
        collector.take(Error(code="gave_up", message="too_often", segment_id="48000"))
    assert failed.value.status == 500


def pieces() -> list[Piece]:
    """Two sentences with a silence between them."""
    return [Piece(caption, caption.text, "en") for caption in (SAID[0], SAID[2])]


def test_every_format_says_the_same():
    """Text, JSON, SRT and WebVTT of one transcript."""
    assert write(Ask("transcribe", "m", form="text"), pieces(), 9.2) == (
        b"One thing. Another thing.\n",
        "text/plain; charset=utf-8",
    )
    content, kind = write(Ask("transcribe", "m"), pieces(), 9.2)
    assert (json.loads(content), kind) == (
        {"text": "One thing. Another thing.", "usage": {"type": "duration", "seconds": 10}},
        "application/json",
    )
    srt, _ = write(Ask("transcribe", "m", form="srt"), pieces(), 9.2)
    assert srt.decode() == (
        "1\n00:00:00,000 --> 00:00:01,000\nOne thing.\n\n2\n00:00:06,000 --> 00:00:07,000\nAnother thing.\n\n"
    )
    vtt, _ = write(Ask("transcribe", "m", form="vtt"), pieces(), 9.2)
    assert vtt.decode() == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\nOne thing.\n\n00:00:06.000 --> 00:00:07.000\nAnother thing.\n\n"
    )


def test_verbose_json_holds_what_was_asked_for():
    """Segments and words each come only where they were asked for, with times in seconds of the file."""
    whole = json.loads(write(Ask("transcribe", "m", form="verbose_json", words=True), pieces(), 9.2)[0])
    assert (whole["task"], whole["language"], whole["duration"]) == ("transcribe", "english", 9.2)
    assert [(s["id"], s["start"], s["end"], s["text"]) for s in whole["segments"]] == [
        (0, 0.0, 1.0, " One thing."),
        (1, 6.0, 7.0, " Another thing."),
    ]
    assert whole["segments"][0]["avg_logprob"] == pytest.approx(-0.6931, abs=1e-4)
    assert whole["words"][2] == {"word": "Another", "start": 6.0, "end": 6.5}
    fewer = Ask("transcribe", "m", form="verbose_json", words=True, segments=False)
    assert "segments" not in json.loads(write(fewer, pieces(), 9.2)[0])
    silent = json.loads(write(Ask("transcribe", "m", language="de", form="verbose_json"), [], 9.2)[0])
    assert (silent["text"], silent["language"], silent["segments"]) == ("", "german", [])


def test_deltas_add_up_to_the_whole():
    """What is streamed, put together, is the text that ends the stream, in languages without spaces too."""
    for language in ("en", "ja"):
        said = [Piece(p.caption, p.text, language) for p in pieces()]
        deltas = [json.loads(delta(p, first=n == 0)[6:])["delta"] for n, p in enumerate(said)]
        assert "".join(deltas) == full_text(said) == json.loads(done(said, 1.0)[6:])["text"]
