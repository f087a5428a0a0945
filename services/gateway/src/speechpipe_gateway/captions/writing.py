"""Writes results as subtitles, piece by piece. Pure."""

from collections.abc import Iterable
from typing import Literal

from speechpipe_common.keys import SAMPLE_RATE
from speechpipe_common.messages import Delivery, Failure, Transcript, Translated
from speechpipe_common.subtitles import WEBVTT, Cue, caption_cues, srt_cue, translation_cues, vtt_cue
from speechpipe_common.wire import FinalCaption, WireWord

Form = Literal["vtt", "srt"]


class CaptionWriter:
    """One reader's file.

    Cues come in the order in which finals and translations came, those of one piece by time: what was there when the
    reader came is in order, and so is what follows, except where a long segment took longer than the next one.

    Args:
        form: of the file.
        language: code of a translation, whose cues are shown while its original is said; None: what was said.
    """

    def __init__(self, form: Form, language: str | None) -> None:
        self._form = form
        self._language = language
        self._number = 0
        self._untranslated: dict[int, FinalCaption] = {}

    def beginning(self) -> str:
        """What the file begins with."""
        return WEBVTT if self._form == "vtt" else ""

    def quiet(self) -> str:
        """What may be sent when there is nothing to say, so that nobody takes the connection for dead: a comment.

        SRT has none.
        """
        return "NOTE\n\n" if self._form == "vtt" else ""

    def write(self, results: Iterable[Delivery]) -> str:
        """The cues of some results; empty where they hold none."""
        cues = sorted((cue for result in results for cue in self._cues(result)), key=lambda cue: cue.start)
        return "".join(map(self._cue, cues))

    def _cues(self, result: Delivery) -> list[Cue]:
        match result.body:
            case Transcript(kind="final") as final if self._language is None:
                return caption_cues(_caption(final))
            case Transcript(kind="final") as final:
                self._untranslated[final.segment] = _caption(final)
            case Translated(final=True, language=language) as translated if language == self._language:
                caption = self._untranslated.pop(translated.segment, None)
                return translation_cues(caption, translated.text, language) if caption else []
            case Failure(language=language) as failure if language == self._language:
                self._untranslated.pop(failure.segment, None)
        return []

    def _cue(self, cue: Cue) -> str:
        self._number += 1
        return srt_cue(self._number, cue) if self._form == "srt" else vtt_cue(cue)


def _caption(final: Transcript) -> FinalCaption:
    return FinalCaption(
        segment_id=str(final.segment),
        rev=final.rev,
        text=final.text,
        language=final.language,
        start=final.start / SAMPLE_RATE,
        end=final.end / SAMPLE_RATE,
        words=tuple(WireWord(text=w.text, start=w.start, end=w.end, probability=w.probability) for w in final.words),
        continues=False,
        processing_time=final.processing_time,
        cursor="",
    )
