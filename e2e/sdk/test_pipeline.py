"""The pipeline that the other suites here are given."""

from native import captions
from pipeline import Pipeline
from speech import Clip

from speechpipe_client.demo.scoring import error_rate


async def test_it_hears_what_is_said(pipeline: Pipeline, clips: dict[str, Clip]):
    """A native client with the roomy key gets the words of a recording as finals."""
    clip = clips["quick_brown_fox"]
    heard = " ".join(final.text for final in await captions(pipeline, clip))
    assert error_rate(clip.text, heard, "en") <= 0.1, heard
