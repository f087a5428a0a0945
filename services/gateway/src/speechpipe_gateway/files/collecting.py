"""Puts a session's messages together to the pieces of one transcript, in the order in which they were said. Pure."""

from typing import Final

from speechpipe_common.keys import SAMPLE_RATE
from speechpipe_common.wire import CLOSE_FULL, Error, FinalCaption, ServerMessage, SpeechStarted, Translation
from speechpipe_gateway.files.errors import SERVER, ApiError, unavailable
from speechpipe_gateway.files.transcript import Piece

RETRY_SECONDS: Final = 5


class Collector:
    """The finals of one session, whatever the order in which they come: several workers decode at a time.

    Args:
        target: language whose translations are wanted; None: what was said is.
    """

    def __init__(self, target: str | None = None) -> None:
        self._target = target
        self._open: dict[int, FinalCaption | None] = {}
        """Segments whose piece was not given out yet."""
        self._translated: dict[int, str] = {}
        self.pieces: list[Piece] = []
        """What was given out."""

    def take(self, message: ServerMessage) -> list[Piece]:
        """The pieces that are complete with this message, and all those before them too; none without text.

        Raises:
            ApiError: the session, or a segment of it, has failed.
        """
        match message:
            case SpeechStarted():
                self._open.setdefault(int(message.segment_id))
            case FinalCaption():
                self._open[int(message.segment_id)] = message
            case Translation(is_final=True) if message.language == self._target:
                self._translated[int(message.segment_id)] = message.text
            case Error():
                raise _failed(message)
        return self._give(whole=False)

    def finish(self) -> list[Piece]:
        """The rest, once the session has delivered everything."""
        return self._give(whole=True)

    def _give(self, *, whole: bool) -> list[Piece]:
        given: list[Piece] = []
        for segment in sorted(self._open):
            caption = self._open[segment]
            text = self._text(segment, caption)
            if caption is None or text is None:
                if whole:
                    continue
                break
            del self._open[segment]
            if text.strip():
                given.append(Piece(caption, text.strip(), self._target or caption.language))
        self.pieces += given
        return given

    def _text(self, segment: int, caption: FinalCaption | None) -> str | None:
        if caption is None or self._target is None or not caption.text.strip():
            return caption.text if caption else None
        return self._translated.get(segment)


def _failed(error: Error) -> ApiError:
    if error.close == CLOSE_FULL:
        return unavailable(error.message, error.code, RETRY_SECONDS)
    part = f"its part at {int(error.segment_id) / SAMPLE_RATE:.1f} s" if error.segment_id else "it"
    return ApiError(
        500, f"the file could not be transcribed: {part} failed: {error.message}", code=error.code, kind=SERVER
    )
