"""Captions as a growing file: what is written, what may be asked for, and a reader that does not read."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from speechpipe_common.messages import Delivery, Failure, Result, Transcript, Translated, Word
from speechpipe_gateway.app import captions as app
from speechpipe_gateway.app.sockets import ABORT
from speechpipe_gateway.captions import Ask, CaptionError, CaptionWriter, Feed, GrowingFile, read

RATE = 16_000


def final(segment: int, text: str, seconds: float = 1.0) -> Transcript:
    """A final of words of equal length."""
    pieces = text.split()
    each = seconds / max(1, len(pieces))
    words = tuple(
        Word(text=piece, start=segment + number * each, end=segment + (number + 1) * each, probability=1.0)
        for number, piece in enumerate(pieces)
    )
    return Transcript(
        segment=segment * RATE,
        rev=1,
        kind="final",
        start=segment * RATE,
        end=round((segment + seconds) * RATE),
        text=text,
        language="en",
        language_probability=1.0,
        words=words,
        processing_time=0.1,
    )


def translated(segment: int, text: str, language: str = "es") -> Translated:
    """Its translation."""
    return Translated(
        segment=segment * RATE, rev=1, final=True, text=text, source="en", language=language, processing_time=0.1
    )


def deliveries(*bodies: Result) -> list[Delivery]:
    """Results as they stand in Redis."""
    return [Delivery(id=f"{number}-0", body=body) for number, body in enumerate(bodies, 1)]


def test_vtt_has_a_header_and_cues_by_time():
    """What is there at the beginning is in order, whatever order it came in; markup is escaped; silence is nothing."""
    writer = CaptionWriter("vtt", None)
    assert writer.beginning() == "WEBVTT\n\n"
    assert writer.write(deliveries(final(2, "A<B & so"), final(0, "Hello"), final(4, ""))) == (
        "00:00:00.000 --> 00:00:01.000\nHello\n\n00:00:02.000 --> 00:00:03.000\nA&lt;B &amp; so\n\n"
    )
    assert writer.write(deliveries(translated(0, "Hola"))) == ""
    assert writer.quiet() == "NOTE\n\n"


def test_srt_is_numbered_on_and_on():
    """Numbers go on from piece to piece; SRT has no header and no comments."""
    writer = CaptionWriter("srt", None)
    assert writer.beginning() == writer.quiet() == ""
    assert writer.write(deliveries(final(0, "one"))).startswith("1\n00:00:00,000 --> ")
    assert writer.write(deliveries(final(1, "two"))).startswith("2\n00:00:01,000 --> ")


def test_a_translation_is_shown_while_its_original_is_said():
    """With a language there are its translations only, with the times of what they translate, in whatever piece."""
    writer = CaptionWriter("vtt", "es")
    assert writer.write(deliveries(final(0, "Hello"), final(3, "there"), translated(3, "zwei", "de"))) == ""
    assert writer.write(deliveries(translated(3, "allí"))) == "00:00:03.000 --> 00:00:04.000\nallí\n\n"
    failed = Failure(segment=0, rev=1, code="unsupported_pair", message="", retry=False, language="es")
    assert writer.write(deliveries(failed, translated(0, "late"))) == ""


@pytest.mark.parametrize(
    ("name", "query", "header", "ask"),
    [
        ("s.vtt", {"token": "t"}, None, Ask("s", "vtt", "t", None)),
        ("s.srt", {"language": "Spanish"}, "Bearer h", Ask("s", "srt", "h", "es")),
        ("s.vtt", {"token": "t"}, "Basic h", Ask("s", "vtt", "t", None)),
    ],
)
def test_what_is_asked_for(name, query, header, ask):
    """Form, language by any name, and a token from the header or the query."""
    assert read(name, query, header) == ask


@pytest.mark.parametrize(
    ("name", "query", "status", "code"),
    [
        ("s.txt", {"token": "t"}, 404, "unknown_form"),
        ("vtt", {"token": "t"}, 404, "unknown_form"),
        (".vtt", {"token": "t"}, 404, "unknown_form"),
        ("s.vtt", {}, 401, "captions_token_missing"),
        ("s.vtt", {"token": "t", "lang": "es"}, 400, "unknown_option"),
        ("s.vtt", {"token": "t", "language": "Klingon"}, 400, "unknown_language"),
    ],
)
def test_what_cannot_be_asked_for_is_named(name, query, status, code):
    """Each refusal has its status and code."""
    with pytest.raises(CaptionError) as refused:
        read(name, query, None)
    assert (refused.value.status, refused.value.code) == (status, code)


async def test_a_reader_that_does_not_read_is_cut_off(monkeypatch: pytest.MonkeyPatch):
    """When a piece is not taken in time, the connection is cut and what it held is let go."""
    monkeypatch.setattr(app, "SEND_SECONDS", 0.05)
    gone, cut = asyncio.Event(), asyncio.Event()
    held = AsyncExitStack()
    released = []
    held.callback(lambda: released.append(True))
    file = GrowingFile(CaptionWriter("vtt", None))

    async def send(message) -> None:
        if message.get("body"):
            await asyncio.Event().wait()

    async def receive():
        await gone.wait()
        return {"type": "http.disconnect"}

    def abort() -> None:
        cut.set()
        gone.set()

    response = app.Reading(file, {}, held)
    await response({"type": "http", "extensions": {ABORT: {"call": abort}}}, receive, send)
    assert cut.is_set()
    assert released == [True]


async def test_a_backlog_is_written_in_small_pieces_once_for_all():
    """However much there is, one piece is small; the file is the same object for all who ask for it."""
    feed = Feed()
    file = feed.file("srt", None)
    assert feed.file("srt", None) is file
    assert feed.file("srt", "es") is not file
    await feed.add(deliveries(*(final(number, "word") for number in range(120))), over=True)
    assert len(file) == 3
    pieces = [await file.piece(number, 1) for number in range(4)]
    assert pieces[3] is None
    assert [piece.count(" --> ") for piece in pieces[:3]] == [50, 50, 20]
    assert "\n120\n00:01:59,000" in pieces[2]


async def test_waiting_for_a_piece_ends_with_it_with_time_or_with_the_file():
    """A reader waits for what is to come, hears that nothing came, and learns of the end."""
    feed = Feed()
    file = feed.file("srt", None)
    assert await file.piece(0, 0) == ""
    waiting = asyncio.create_task(file.piece(0, 60))
    await feed.add(deliveries(final(0, "Hello")), over=False)
    assert "Hello" in (await waiting or "")
    waiting = asyncio.create_task(file.piece(1, 60))
    feed.end()
    assert await waiting is None


async def test_a_file_that_is_asked_for_late_has_all():
    """Another form or language is written from the beginning when somebody asks for it."""
    feed = Feed()
    await feed.add(deliveries(final(0, "Hello"), translated(0, "Hola")), over=False)
    file = feed.file("vtt", "es")
    await feed.add((), over=True)
    assert [await file.piece(number, 1) for number in range(3)][1:] == ["00:00:00.000 --> 00:00:01.000\nHola\n\n", None]
