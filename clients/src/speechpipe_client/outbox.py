"""What is still to be sent, and what must be kept in case it has to be sent again. Pure: no clock, no socket."""

from bisect import bisect_left

from speechpipe_client.errors import ProtocolError
from speechpipe_common.wire import Flush, SetLangs, Stop

Mark = Flush | SetLangs | Stop
"""A control message with a place in the audio: it takes effect after the frames sent before it."""


class Outbox:
    """Audio since the last acknowledged frame, with control messages at their places in it.

    Offsets are frames of the client's audio, counted from the start of the session.
    """

    def __init__(self, frame_bytes: int) -> None:
        self._frame_bytes = frame_bytes
        self._audio = bytearray()
        self._base = 0
        self._position = 0
        self._marks: list[tuple[int, Mark]] = []
        self._next_mark = 0

    @property
    def end(self) -> int:
        """Offset after the last frame given to ``append``."""
        return self._base + len(self._audio) // self._frame_bytes

    @property
    def acknowledged(self) -> int:
        """Offset of the oldest frame still kept."""
        return self._base

    @property
    def retained_bytes(self) -> int:
        """Bytes kept, sent or not."""
        return len(self._audio)

    @property
    def unsent_bytes(self) -> int:
        """Bytes not taken yet on this connection."""
        return (self.end - self._position) * self._frame_bytes

    def append(self, pcm: bytes) -> None:
        """Add audio at the end.

        Raises:
            ProtocolError: ``pcm`` is not a whole number of frames.
        """
        if len(pcm) % self._frame_bytes:
            raise ProtocolError(
                f"{len(pcm)} bytes are no whole number of frames of {self._frame_bytes} bytes: "
                "send complete frames, every channel of them"
            )
        self._audio += pcm

    def mark(self, message: Mark) -> None:
        """Put a control message after the audio appended so far."""
        self._marks.append((self.end, message))

    def take(self, limit: int) -> bytes | Mark | None:
        """The next thing to send: at most ``limit`` bytes of audio, a control message, or None when all is sent."""
        until = self.end
        if self._next_mark < len(self._marks):
            place, message = self._marks[self._next_mark]
            if place <= self._position:
                self._next_mark += 1
                return message
            until = place
        frames = min(until - self._position, max(1, limit // self._frame_bytes))
        if frames == 0:
            return None
        begin = (self._position - self._base) * self._frame_bytes
        self._position += frames
        return bytes(self._audio[begin : begin + frames * self._frame_bytes])

    def rewind(self, offset: int) -> None:
        """Send again from ``offset`` on, with the control messages at or after it.

        Raises:
            ProtocolError: the audio at ``offset`` was acknowledged and dropped, or never existed.
        """
        if not self._base <= offset <= self.end:
            raise ProtocolError(
                f"the gateway wants audio from frame {offset}; this client holds frames {self._base} to {self.end}"
            )
        self._position = offset
        self._next_mark = bisect_left([place for place, _ in self._marks], offset)

    def release(self, offset: int) -> None:
        """Forget audio and control messages before ``offset``, as far as they were sent."""
        keep_from = min(offset, self._position)
        if keep_from <= self._base:
            return
        del self._audio[: (keep_from - self._base) * self._frame_bytes]
        self._base = keep_from
        dropped = bisect_left([place for place, _ in self._marks], keep_from)
        del self._marks[:dropped]
        self._next_mark -= dropped
