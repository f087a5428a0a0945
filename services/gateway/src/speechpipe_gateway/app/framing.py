"""Where WebSocket frames begin and end, sans-I/O: audio is unwrapped here, all else is left to a whole parser."""

from collections.abc import Iterator
from typing import Final

try:
    from websockets.speedups import apply_mask
except ImportError:  # a build without its C part
    from websockets.utils import apply_mask

_WHOLE_BINARY: Final = 0x82
"""FIN, no reserved bit, opcode 2 (RFC 6455, 5.2): a message of one frame."""
_FIN, _RESERVED, _CONTROL, _OPCODE = 0x80, 0x70, 0x08, 0x0F
_CONTINUATION, _CLOSE, _CONTROLS, _DATA = 0x0, 0x8, (0x8, 0x9, 0xA), (0x1, 0x2)
_MASKED: Final = 0x80
_LONGEST_CONTROL: Final = 125


class FrameSplitter:
    """Cuts a client's bytes, from the first one after the handshake, into frames.

    A parser that checks everything takes about 20 µs for a frame, most of it for what a frame of audio has none of.
    This one knows binary messages of one frame, and hands on whole any other; where a frame is wrong, out of order or
    too long, and where one closes the connection, it hands on all there is, from then on, so that the parser sees what
    it would have seen.

    Args:
        max_size: longest message, bytes.
    """

    def __init__(self, max_size: int) -> None:
        self._max_size = max_size
        self._buffer = bytearray()
        self._needed = 2
        self._in_fragments = False
        self._lost = False

    def feed(self, data: bytes) -> Iterator[tuple[bool, bytes]]:
        """Pieces that ``data`` completes, in order: ``(True, message)`` or ``(False, bytes for the parser)``."""
        if self._lost:
            yield False, data
            return
        if self._buffer:
            self._buffer += data
            if len(self._buffer) < self._needed:
                return
            data = bytes(self._buffer)
            self._buffer.clear()
        at = 0
        while True:
            measured = self._measure(data, at)
            if measured is None:
                self._lost = True
                yield False, data[at:]
                return
            end, payload = measured
            if end > len(data):
                self._needed = end - at
                self._buffer += data[at:]
                return
            if data[at] == _WHOLE_BINARY and not self._in_fragments:
                yield True, apply_mask(data[payload:end], data[payload - 4 : payload])
            else:
                self._follow(data[at])
                yield False, data[at:end]
            at = end

    def _measure(self, data: bytes, at: int) -> tuple[int, int] | None:
        """Where the frame ends and where its payload begins; of a frame whose header is not whole, more than is there.

        None for a frame that no parser takes, or after which none counts.
        """
        if len(data) - at < 2:
            return at + 2, at
        first, second = data[at], data[at + 1]
        size, payload = second & 0x7F, at + 6
        if first & _RESERVED or not second & _MASKED or not self._in_order(first, size):
            return None
        if size >= 126:
            width = 2 if size == 126 else 8
            if len(data) - at < 2 + width:
                return at + 2 + width, at
            size, payload = int.from_bytes(data[at + 2 : at + 2 + width], "big"), payload + width
            if size > self._max_size:
                return None
        return payload + size, payload

    def _in_order(self, first: int, size: int) -> bool:
        """Whether such a frame may come now (RFC 6455, 5.4 and 5.5), and another after it."""
        opcode = first & _OPCODE
        if opcode in _CONTROLS:
            return opcode != _CLOSE and bool(first & _FIN) and size <= _LONGEST_CONTROL
        return opcode == _CONTINUATION if self._in_fragments else opcode in _DATA

    def _follow(self, first: int) -> None:
        """Note whether a message goes on in the next frame; between its frames only control frames may come."""
        if not first & _CONTROL:
            self._in_fragments = not first & _FIN
