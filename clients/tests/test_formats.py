"""Formatters against golden output."""

import json
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from speechpipe_client.formats import Format, render
from speechpipe_client.transcript import Segment
from speechpipe_common.subtitles import LINE_CHARACTERS, LINES, caption_cues, text_cues
from speechpipe_common.wire import FinalCaption, WireWord

SPEECH = (
    "And it is worth mention in passing that, as an example of fine typography, "
    "the earliest book printed has never been surpassed."
)


def caption(text: str, start: float = 0.0, seconds_a_word: float = 0.4, language: str = "en") -> FinalCaption:
    """A final whose words follow each other without a pause."""
    pieces = list(text) if language in ("zh", "ja") else text.split()
    words = tuple(
        WireWord(
            text=piece,
            start=round(start + index * seconds_a_word, 3),
            end=round(start + (index + 1) * seconds_a_word, 3),
            probability=1.0,
        )
        for index, piece in enumerate(pieces)
    )
    return FinalCaption(
        segment_id=str(start),
        rev=1,
        text=text,
        language=language,
        start=start,
        end=start + len(words) * seconds_a_word,
        words=words,
        continues=False,
        processing_time=0.1,
        cursor="1-0",
    )


SEGMENTS = [
    Segment(caption(SPEECH), {"es": "Y merece la pena mencionar, de paso, este ejemplo de tipografía fina."}),
    Segment(caption("AT&T <said> so.", start=3600.0), {"es": "AT&T <dijo> eso."}),
]


def test_srt_golden():
    """Long speech becomes two-line cues with the times of its words; hours count."""
    assert render(SEGMENTS, Format.SRT) == (
        "1\n00:00:00,000 --> 00:00:05,600\nAnd it is worth mention in passing\n"
        "that, as an example of fine typography,\n\n"
        "2\n00:00:05,600 --> 00:00:08,800\nthe earliest book printed\nhas never been surpassed.\n\n"
        "3\n01:00:00,000 --> 01:00:01,200\nAT&T <said> so.\n\n"
    )


def test_vtt_golden_of_a_translation():
    """A translation has no word times: its cues share the segment's time by length; markup characters are escaped."""
    assert render(SEGMENTS, Format.VTT, target="es") == (
        "WEBVTT\n\n"
        "00:00:00.000 --> 00:00:08.800\nY merece la pena mencionar, de paso,\neste ejemplo de tipografía fina.\n\n"
        "01:00:00.000 --> 01:00:01.200\nAT&amp;T &lt;dijo&gt; eso.\n\n"
    )


def test_text_and_json_hold_both_languages():
    """Text shows a translation below its sentence; JSON is one document on one line."""
    assert render(SEGMENTS[1:], Format.TEXT) == "AT&T <said> so.\n  [es] AT&T <dijo> eso.\n"
    rendered = render(SEGMENTS, Format.JSON, name="talk.wav")
    assert rendered.count("\n") == 1
    document = json.loads(rendered)
    assert document["file"] == "talk.wav"
    assert document["segments"][1]["translations"] == {"es": "AT&T <dijo> eso."}
    assert document["segments"][0]["words"][0] == {"text": "And", "start": 0.0, "end": 0.4, "probability": 1.0}


def test_a_pause_begins_a_new_cue():
    """Words a second apart are not shown together."""
    before, after = caption("before", 0.0), caption("after", 2.0)
    joined = FinalCaption(
        **{name: getattr(before, name) for name in before.__struct_fields__}
        | {
            "text": "before after",
            "end": 3.0,
            "words": before.words + after.words,
        }
    )
    assert [(cue.start, cue.lines) for cue in caption_cues(joined)] == [(0.0, ("before",)), (2.0, ("after",))]


def test_chinese_is_broken_between_characters_without_spaces():
    """Languages without spaces fill lines by character and get no spaces put in."""
    cues = caption_cues(caption("天地玄黄宇宙洪荒" * 12, language="zh"))
    assert "".join(line for cue in cues for line in cue.lines) == "天地玄黄宇宙洪荒" * 12
    assert max(len(line) for cue in cues for line in cue.lines) <= LINE_CHARACTERS


def test_an_empty_translation_has_no_cue():
    """Nothing is shown where nothing was translated."""
    assert text_cues("  ", "es", 0.0, 1.0) == []


@given(st.lists(st.text(st.characters(categories=["L", "P"]), min_size=1, max_size=20), min_size=1, max_size=60))
def test_cues_keep_every_word_in_order_and_within_their_size(words: list[str]):
    """No word is lost or moved, lines and cues keep their limits, and cues do not overlap."""
    text = " ".join(words)
    cues = caption_cues(caption(text))
    assert " ".join(line for cue in cues for line in cue.lines).split() == text.split()
    assert all(len(cue.lines) <= LINES and len(line) <= LINE_CHARACTERS for cue in cues for line in cue.lines)
    assert all(first.end <= second.start for first, second in pairwise(cues))
    assert all(cue.start < cue.end for cue in cues)
