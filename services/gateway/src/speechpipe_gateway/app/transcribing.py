"""A file's audio through an ordinary session: the same endpointing, jobs and finals as a client's that speaks."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Final

from redis.exceptions import RedisError

from speechpipe_common.logs import get_logger
from speechpipe_common.wire import CLOSE_DONE, CLOSE_SERVER, Start
from speechpipe_gateway.admission import RETRY_SOON
from speechpipe_gateway.app.hearing import Hearing
from speechpipe_gateway.app.services import Services
from speechpipe_gateway.dialect import Flushed, Later, ProtocolError, Reply
from speechpipe_gateway.files.asking import Ask
from speechpipe_gateway.files.collecting import Collector
from speechpipe_gateway.files.errors import SERVER, ApiError, refused_file, unavailable
from speechpipe_gateway.files.transcript import ENGLISH, Piece
from speechpipe_gateway.live.factory import Opened
from speechpipe_gateway.live.outbox import Goodbye, Outbox
from speechpipe_gateway.media import MediaError
from speechpipe_gateway.session import Options
from speechpipe_gateway.vad import VadError

MOST_PENDING: Final = 4
"""Segments of a file that may be with the workers at a time: enough to keep several busy, few enough that people who
speak now do not wait behind a file."""

PATIENCE_SECONDS: Final = 600.0
"""How long nothing may come from any worker, nor any audio be taken, until a request is given up: by then the clients
have given it up themselves."""

log = get_logger(__name__)


async def transcribe(services: Services, ask: Ask, pcm: AsyncIterator[bytes], key_id: str) -> AsyncGenerator[Piece]:
    """What is said in a file, piece by piece, as fast as it is decoded; closing this ends its session.

    Args:
        services: of this gateway.
        ask: languages and hints.
        pcm: 16 kHz mono int16, asked for only while the session has room.
        key_id: whose session it is.

    Raises:
        ApiError: the file cannot be transcribed, or not now.
    """
    outbox = Outbox()
    opened = await _open(services, ask, key_id, outbox)
    hearing = Hearing(services.vad, services.rule, services.webrtc_aggressiveness, services.metrics, lambda: None)
    reading = asyncio.create_task(_read(opened, hearing, pcm, outbox), name=f"file {opened.session.client}")
    try:
        async with aclosing(_collect(opened, outbox, reading, ask)) as pieces:
            async for piece in pieces:
                yield piece
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        hearing.close()
        _leave(opened)


async def _open(services: Services, ask: Ask, key_id: str, outbox: Outbox) -> Opened:
    source = ask.language or services.options.source
    targets = (ENGLISH,) if ask.task == "translate" else ()
    options = Options(source, targets, ask.prompt, ask.hotwords, words=ask.timed)
    try:
        start = Start(partials=False)
        return await services.factory.open(start, options, key_id, outbox, most_pending=MOST_PENDING)
    except ProtocolError as error:
        raise ApiError(400, error.message, code=error.code) from error
    except (RedisError, OSError) as error:
        log.warning("session_not_opened", error=str(error))
        raise unavailable(
            "the service cannot take files at the moment; try again", "unavailable", RETRY_SOON
        ) from error


async def _read(opened: Opened, hearing: Hearing, pcm: AsyncIterator[bytes], outbox: Outbox) -> None:
    """Feed the session at its own pace, then stop it."""
    session = opened.session
    try:
        async for block in pcm:
            hearing.feed(opened, block)
            if hearing.behind:
                await hearing.settled()
            await session.room()
            # However long the next block takes, it is no silence of the speaker's.
            session.listening = False
        await hearing.settled()
        hearing.finish(opened)
        session.do(session.core.stop(time.time()))
    except BaseException:
        outbox.close(CLOSE_SERVER, "the file was not read to its end")
        raise


async def _collect(opened: Opened, outbox: Outbox, reading: asyncio.Task[None], ask: Ask) -> AsyncGenerator[Piece]:
    collector = Collector(ENGLISH if ask.task == "translate" else None)
    heard = -1
    while True:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                message = await outbox.take()
        except TimeoutError:
            if opened.audio.position == heard:
                raise unavailable(
                    f"no worker has answered for {PATIENCE_SECONDS:.0f} s; try again later", "no_answer", RETRY_SOON
                ) from None
            heard = opened.audio.position
            continue
        if isinstance(message, Goodbye):
            await _check_end(message, reading)
            for piece in collector.finish():
                yield piece
            return
        if not isinstance(message, Reply | Later | Flushed):
            for piece in collector.take(message):
                yield piece


async def _check_end(goodbye: Goodbye, reading: asyncio.Task[None]) -> None:
    """Raise what ended the session, if that was not the end of the file."""
    try:
        if reading.done():
            await reading
    except MediaError as error:
        raise refused_file(f"the file cannot be transcribed: {error.message}", error.code) from error
    except VadError as error:
        log.error("vad_failed", error=str(error))
        raise ApiError(500, "the audio could not be analysed; try again", code="internal", kind=SERVER) from error
    if goodbye.code != CLOSE_DONE:
        raise ApiError(
            500, f"the file's session ended early: {goodbye.reason}; try again", code="internal", kind=SERVER
        )


def _leave(opened: Opened) -> None:
    """Nobody waits for this session any more; what it asked for already is let come, and it ends."""
    session = opened.session
    if not session.core.stopping:
        session.do(session.core.stop(time.time()))
    session.detach()
