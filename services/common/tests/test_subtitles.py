"""Subtitles of finals; their formats are tested where the command writes them."""

from speechpipe_common.subtitles import caption_cues, srt
from speechpipe_common.wire import FinalCaption, WireWord


def caption(text: str, words: tuple[str, ...], language: str = "en") -> FinalCaption:
    """A final whose words take half a second each."""
    return FinalCaption(
        segment_id="0",
        rev=1,
        text=text,
        language=language,
        start=0,
        end=len(words) / 2,
        words=tuple(
            WireWord(text=word, start=number / 2, end=number / 2 + 0.5, probability=1)
            for number, word in enumerate(words)
        ),
        continues=False,
        processing_time=0,
        cursor="0-0",
    )


def test_what_the_text_writes_as_one_stays_one():
    """Whisper times the parts of a compound by themselves; on the screen they stand together."""
    said = caption("an ill-disposed young man, who'd", ("An", "ill", "-disposed", "young", "man,", "who", "'d"))
    assert srt(caption_cues(said)) == "1\n00:00:00,000 --> 00:00:03,500\nAn ill-disposed young man, who'd\n\n"


def test_languages_without_spaces_have_none():
    """Japanese words are not parted, nor made one, so that lines can end between them."""
    words = ("今日", "は", "いい", "天気", "です")
    (cue,) = caption_cues(caption("今日はいい天気です", words, "ja"))
    assert cue.lines == ("今日はいい天気です",)
