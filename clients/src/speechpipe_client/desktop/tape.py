"""Audio of one stretch of speech, kept until the server will not ask for it again. Pure."""

from typing import Final

_FRAME_BYTES: Final = 2


class Tape:
    """PCM16 mono by frame, counted from the beginning of the stretch; its front is forgotten as it is acknowledged."""

    def __init__(self) -> None:
        self._audio = bytearray()
        self.base = 0
        """The oldest frame that is kept."""

    @property
    def end(self) -> int:
        """The frame after the newest."""
        return self.base + len(self._audio) // _FRAME_BYTES

    def append(self, pcm: bytes) -> None:
        """Add whole frames."""
        self._audio += pcm

    def read(self, position: int, frames: int) -> bytes:
        """At most that many frames from ``position``, which is not before ``base``; empty when there are none yet."""
        begin = (position - self.base) * _FRAME_BYTES
        return bytes(self._audio[begin : begin + frames * _FRAME_BYTES])

    def release(self, position: int) -> None:
        """Forget what lies before ``position``."""
        gone = min(position, self.end) - self.base
        if gone > 0:
            del self._audio[: gone * _FRAME_BYTES]
            self.base += gone
