"""A request's body on its way into a file."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from starlette.requests import Request

from speechpipe_common.logs import get_logger
from speechpipe_gateway.admission import RETRY_SOON
from speechpipe_gateway.files.errors import ApiError, unavailable

log = get_logger(__name__)


class Body:
    """A request's body as it comes, and whether it has come whole."""

    def __init__(self, request: Request, patience: float) -> None:
        self._stream = request.stream()
        self._patience = patience
        self.over = False

    async def pieces(self) -> AsyncIterator[bytes]:
        """Its pieces.

        Raises:
            TimeoutError: nothing came for too long.
            ClientDisconnect: the client has gone.
        """
        while True:
            async with asyncio.timeout(self._patience):
                piece = await anext(self._stream, None)
            if piece is None:
                self.over = True
                return
            yield piece


@contextmanager
def nameless(folder: Path | None) -> Iterator[BinaryIO]:
    """A file without a name, gone when it is closed."""
    try:
        file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed below
    except OSError as error:
        log.error("file_not_stored", error=str(error))
        raise no_room() from error
    with file:
        yield file


def no_room() -> ApiError:
    """The disk is full."""
    return unavailable("there is no room for files at the moment; try later", "no_room", RETRY_SOON)
