"""The pipeline that the other suites here are given."""

import asyncio

import numpy as np
from pipeline import PATIENCE, Pipeline
from speech import Clip

from speechpipe_client import FinalCaption, SessionOptions, connect
from speechpipe_client.demo.scoring import error_rate
from speechpipe_client.inbox import Event
from speechpipe_client.streaming import converse


async def blocks(samples: np.ndarray):
    """Audio of one client, at once."""
    yield samples.astype("<i2").tobytes()


async def test_it_hears_what_is_said(pipeline: Pipeline, clips: dict[str, Clip]):
    """A native client with the roomy key gets the words of a recording as finals."""
    clip = clips["quick_brown_fox"]
    options = SessionOptions(source="en", sample_rate=clip.rate)
    events: list[Event] = []
    async with asyncio.timeout(PATIENCE), connect(f"{pipeline.ws}/ws", options, api_key=pipeline.key) as session:
        await converse(session, blocks(clip.samples), events.append)
    heard = " ".join(event.text for event in events if isinstance(event, FinalCaption))
    assert error_rate(clip.text, heard, "en") <= 0.1, heard
