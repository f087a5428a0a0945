"""A form with a file in it, taken in piece by piece: fields into memory, the file into a place of our own."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import BinaryIO, Final, cast

from aiohttp import BodyPartReader, MultipartReader, StreamReader
from aiohttp.http_exceptions import HttpProcessingError

from speechpipe_gateway.files.errors import ApiError, refused_file
from speechpipe_gateway.files.sniffing import SNIFF_BYTES

OVERHEAD_BYTES: Final = 262_144
"""What a form may hold besides its file."""
MAX_FIELDS: Final = 32
FIELD_BYTES: Final = 16_384
LINE_BYTES: Final = 8_192
_PIECE: Final = 262_144


@dataclass(frozen=True, slots=True)
class Uploaded:
    """What the form held; its file is in the place that was given for it."""

    fields: tuple[tuple[str, str], ...]
    head: bytes
    """The file's first bytes, at most ``SNIFF_BYTES``."""
    size: int
    """Bytes of the file."""


def check_size(declared: str | None, most: int) -> None:
    """Refuse a body that says beforehand that it is too big.

    Args:
        declared: the header ``Content-Length``, if any.
        most: bytes that a file may have.

    Raises:
        ApiError: 413.
    """
    if declared is not None and declared.isdecimal() and int(declared) > most + OVERHEAD_BYTES:
        raise _too_big(most)


async def take_in(pieces: AsyncIterator[bytes], content_type: str, place: BinaryIO, most: int) -> Uploaded:
    """Read a form of the type ``multipart/form-data``.

    Args:
        pieces: the request's body.
        content_type: its type, with the boundary.
        place: gets the file.
        most: bytes that the file may have; nothing is read beyond them.

    Raises:
        ApiError: it is no such form, it has no file or two, or something in it is too big.
        OSError: the file cannot be written.
    """
    if not content_type.lower().startswith("multipart/form-data"):
        raise _bad_form(f"the body's type is {content_type[:60]!r}; send a form as multipart/form-data")
    body = _Body(pieces, most)
    try:
        return await _read(MultipartReader({"Content-Type": content_type}, cast(StreamReader, body)), place, most)
    except (ValueError, AssertionError, RuntimeError, HttpProcessingError) as error:  # of a form that is none
        raise _bad_form(f"the form cannot be read: {str(error)[:200] or 'it breaks off'}") from error


async def _read(form: MultipartReader, place: BinaryIO, most: int) -> Uploaded:
    fields: list[tuple[str, str]] = []
    size, head = -1, b""
    while (part := await form.next()) is not None:
        if not isinstance(part, BodyPartReader) or not part.name:
            raise _bad_form("each part of the form needs a name, and may not be a form itself")
        if part.name == "file":
            if size >= 0:
                raise refused_file("the form holds two files; send one", "invalid_value")
            size, head = await _store(part, place, most)
            continue
        if len(fields) == MAX_FIELDS:
            raise _bad_form(f"the form has more than {MAX_FIELDS} fields")
        fields.append((part.name, await _text(part)))
    if size < 0:
        raise refused_file("you must provide a file parameter", "missing_required_parameter")
    if size == 0:
        raise refused_file("the file is empty", "invalid_file")
    return Uploaded(tuple(fields), head, size)


async def _store(part: BodyPartReader, place: BinaryIO, most: int) -> tuple[int, bytes]:
    size, head = 0, b""
    while piece := await part.read_chunk(_PIECE):
        size += len(piece)
        if size > most:
            raise _too_big(most)
        if len(head) < SNIFF_BYTES:
            head = (head + piece)[:SNIFF_BYTES]
        await asyncio.to_thread(place.write, piece)
    await asyncio.to_thread(place.flush)
    return size, head


async def _text(part: BodyPartReader) -> str:
    raw = b""
    while piece := await part.read_chunk(FIELD_BYTES):
        raw += piece
        if len(raw) > FIELD_BYTES:
            raise _bad_form(f"the field {str(part.name)[:40]!r} has more than {FIELD_BYTES} bytes")
    return raw.decode()


class _Body:
    """A request's body as aiohttp's reader of forms wants it: asked for piece by piece, and never past its limit."""

    def __init__(self, pieces: AsyncIterator[bytes], most: int) -> None:
        self._pieces = pieces
        self._most = most
        self._left = most + OVERHEAD_BYTES
        self._buffer = bytearray()
        self._over = False

    async def read(self, size: int) -> bytes:
        """Some bytes, at most ``size``; none at the end."""
        while not self._buffer and not self._over:
            await self._fill()
        return self._take(size)

    async def readline(self, *, max_line_length: int | None = None) -> bytes:
        """A line with its end; what is there at the end."""
        most, searched = max_line_length or LINE_BYTES, 0
        while (end := self._buffer.find(b"\n", searched)) < 0 and not self._over:
            searched = len(self._buffer)
            if searched > most:
                break
            await self._fill()
        if max(end, searched) > most:
            raise ValueError(f"a line between its parts has more than {most} bytes")
        return self._take(end + 1 if end >= 0 else len(self._buffer))

    def unread_data(self, data: bytes) -> None:
        """Take bytes back."""
        self._buffer[:0] = data

    def at_eof(self) -> bool:
        """Whether there is no more."""
        return self._over and not self._buffer

    def _take(self, size: int) -> bytes:
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    async def _fill(self) -> None:
        piece = await anext(self._pieces, None)
        if piece is None:
            self._over = True
            return
        self._left -= len(piece)
        if self._left < 0:
            raise _too_big(self._most)
        self._buffer += piece


def _too_big(most: int) -> ApiError:
    return ApiError(
        413,
        f"the file has more than {most} bytes, the most that is taken; compress it (opus, mp3) or cut it into several",
        code="file_too_large",
        param="file",
    )


def _bad_form(message: str) -> ApiError:
    return ApiError(400, message, code="invalid_form")
