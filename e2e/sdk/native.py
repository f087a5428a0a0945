"""What the native protocol says of a recording: what every other protocol must say too."""

import asyncio
from collections.abc import AsyncIterator

from pipeline import PATIENCE, Pipeline
from speech import Clip

from speechpipe_client import FinalCaption, SessionOptions, connect
from speechpipe_client.inbox import Event
from speechpipe_client.streaming import converse

FRAMES = 8_000
"""Of one message."""


async def captions(pipeline: Pipeline, clip: Clip, source: str = "en") -> list[FinalCaption]:
    """Finals of a recording that is sent at once, in the order in which they were said."""
    events: list[Event] = []

    async def blocks() -> AsyncIterator[bytes]:
        for begin in range(0, len(clip.samples), FRAMES):
            yield clip.samples[begin : begin + FRAMES].astype("<i2").tobytes()

    options = SessionOptions(source=source, sample_rate=clip.rate, partials=False)
    async with asyncio.timeout(PATIENCE), connect(f"{pipeline.ws}/ws", options, api_key=pipeline.key) as session:
        await converse(session, blocks(), events.append)
    return sorted((e for e in events if isinstance(e, FinalCaption)), key=lambda final: final.start)
