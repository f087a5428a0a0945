"""Forms with a file, in pieces of any size."""

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speechpipe_gateway.files.errors import ApiError
from speechpipe_gateway.files.upload import OVERHEAD_BYTES, Uploaded, check_size, take_in

BOUNDARY = "----cut"
TYPE = f"multipart/form-data; boundary={BOUNDARY}"
MOST = 400_000


def form(*parts: tuple[str, bytes], ends: bool = True) -> bytes:
    """A form's body; a part named ``file`` has a file name that leads elsewhere."""
    body = b""
    for name, content in parts:
        filename = '; filename="../../etc/passwd"' if name == "file" else ""
        body += f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{filename}\r\n\r\n'.encode()
        body += content + b"\r\n"
    return body + (f"--{BOUNDARY}--\r\n".encode() if ends else b"")


def take(body: bytes, cuts: list[int] | None = None, content_type: str = TYPE) -> tuple[Uploaded, bytes, int]:
    """What comes of a body that is sent in pieces; also the file, and how many bytes were asked for."""
    asked = 0

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal asked
        edges = [0, *sorted(cuts or range(65_536, len(body), 65_536)), len(body)]
        for begin, end in pairwise(edges):
            asked += end - begin
            yield body[begin:end]

    place = io.BytesIO()
    uploaded = asyncio.run(take_in(pieces(), content_type, place, MOST))
    return uploaded, place.getvalue(), asked


@given(st.binary(min_size=1, max_size=200), st.lists(st.integers(0, 300), max_size=12))
def test_a_form_is_read_however_it_is_cut(content: bytes, cuts: list[int]):
    """Fields and file come out whole whatever the pieces are; what a file is called does not matter."""
    content = b"RIFF" + content.replace(BOUNDARY.encode(), b"")
    body = form(("model", b"whisper-1"), ("file", content), ("prompt", "Dépêche".encode()))
    uploaded, file, _ = take(body, [min(cut, len(body)) for cut in cuts])
    assert uploaded.fields == (("model", "whisper-1"), ("prompt", "Dépêche"))
    assert (file, uploaded.size, uploaded.head) == (content, len(content), content[:16])


def test_a_file_that_is_too_big_is_not_read_to_its_end():
    """The refusal comes while the client still sends, or before, where it says how much is to come."""
    body = form(("file", bytes(4 * MOST)))
    with pytest.raises(ApiError) as refused:
        take(body)
    assert (refused.value.status, refused.value.code, refused.value.param) == (413, "file_too_large", "file")
    check_size(None, MOST)
    check_size(str(MOST + OVERHEAD_BYTES), MOST)
    with pytest.raises(ApiError, match=str(MOST)):
        check_size(str(MOST + OVERHEAD_BYTES + 1), MOST)


def test_no_more_is_asked_for_than_may_come():
    """A body without end is left alone once it has passed its bound, wherever in the form that is."""
    asked = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal asked
        yield form(("model", b"whisper-1"), ("file", b"RIFF"), ends=False)[:-2]
        while True:
            asked += 65_536
            yield bytes(65_536)

    with pytest.raises(ApiError) as refused:
        asyncio.run(take_in(endless(), TYPE, io.BytesIO(), MOST))
    assert refused.value.status == 413
    assert asked < MOST + OVERHEAD_BYTES + 1_000_000


@settings(max_examples=500)
@given(st.binary(max_size=300), st.lists(st.tuples(st.integers(0, 260), st.binary(max_size=8)), max_size=6))
def test_whatever_is_sent_is_a_form_or_refused(noise: bytes, changes: list[tuple[int, bytes]]):
    """Forms with bytes changed anywhere, and bytes that are no form at all, never break what reads them."""
    body = bytearray(form(("model", b"whisper-1"), ("file", b"RIFF" + noise), ("prompt", b"words")))
    for place, instead in changes:
        body[place : place + len(instead)] = instead
    for sent in (bytes(body), noise, f"--{BOUNDARY}\r\n".encode() + noise):
        with contextlib.suppress(ApiError):
            take(sent)


@pytest.mark.parametrize(
    ("body", "content_type", "said"),
    [
        (b"{}", "application/json", "multipart/form-data"),
        (b"", TYPE, "form"),
        (b"nothing of the kind", TYPE, "form"),
        (form(("file", b"RIFF"), ends=False)[:-9], TYPE, "cannot be read"),
        (form(("file", b"RIFF")), "multipart/form-data", "cannot be read"),
        (form(("model", b"whisper-1")), TYPE, "file parameter"),
        (form(("file", b"")), TYPE, "empty"),
        (form(("file", b"RIFF"), ("file", b"RIFF")), TYPE, "two files"),
        (b"--" + BOUNDARY.encode() + b"\r\nBad Header : x\r\n\r\nwords", TYPE, "cannot be read"),
        (form(("prompt", b"x" * 20_000), ("file", b"RIFF")), TYPE, "16384 bytes"),
        (form(("prompt", b"\xff\xfe"), ("file", b"RIFF")), TYPE, "cannot be read"),
        (form(*(("a", b"b"),) * 33, ("file", b"RIFF")), TYPE, "32 fields"),
        (b"--" + BOUNDARY.encode() + b"\r\nX: " + b"y" * 100_000, TYPE, "cannot be read"),
    ],
)
def test_what_is_no_such_form_is_refused(body: bytes, content_type: str, said: str):
    """Whatever else may be sent is answered with a sentence, and nothing breaks."""
    with pytest.raises(ApiError) as refused:
        take(body, content_type=content_type)
    assert refused.value.status == 400
    assert said in refused.value.message
