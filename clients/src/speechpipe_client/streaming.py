"""Sends a source of audio through a session and shows its events to a listener until everything is delivered."""

import asyncio
from collections.abc import AsyncIterable, Callable

from speechpipe_client.inbox import Event
from speechpipe_client.session import Session


async def converse(
    session: Session,
    audio: AsyncIterable[bytes],
    on_event: Callable[[Event], None],
    on_sent: Callable[[int], None] = lambda _: None,
) -> None:
    """Send all of ``audio``, stop, and return when every final and translation has come.

    Args:
        session: an open session.
        audio: PCM blocks in the session's format.
        on_event: called with each event, in order.
        on_sent: called with the number of bytes of each block taken by the session.

    Raises:
        SpeechpipeError: what ended the session before its time.
    """
    listening = asyncio.create_task(_listen(session, on_event))
    try:
        async for block in audio:
            await session.send(block)
            on_sent(len(block))
        await session.stop()
        await listening
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


async def _listen(session: Session, on_event: Callable[[Event], None]) -> None:
    async for event in session:
        on_event(event)
