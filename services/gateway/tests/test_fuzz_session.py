"""Anything that a client, a worker, Redis or the clock may do, in any order, against the gateway's pure parts."""

import random
import sys
from contextlib import suppress

import pytest
from fuzz_world import Hostile
from hypothesis import given, settings
from hypothesis import strategies as st

from speechpipe_gateway.dialect import ProtocolError, Request
from speechpipe_gateway.media import MediaError
from speechpipe_gateway.native import NativeProtocol

FRAMES = 100_000
LONGEST_SESSION = 600


def test_a_hundred_thousand_frames_break_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever comes, only refusals come out, and each final is said once, in order, without overlap, in bounds."""
    frames = messages = sessions = 0
    while frames < FRAMES:
        world = Hostile(random.Random(sessions))
        try:
            with suppress(ProtocolError, MediaError):
                while world.frames < min(LONGEST_SESSION, FRAMES - frames):
                    world.frame()
                    world.disturb()
            world.no_overlap()
        except Exception as error:
            raise AssertionError(f"seed {sessions}, frame {world.frames}: {error!r}") from error
        frames, messages, sessions = frames + world.frames, messages + world.messages, sessions + 1
    with capsys.disabled():
        sys.stdout.write(f"\nfuzz: {frames} frames in {sessions} sessions, {messages} messages to clients\n")
    assert messages > sessions


@given(st.lists(st.one_of(st.text(max_size=200), st.binary(max_size=200)), max_size=8), st.booleans())
@settings(max_examples=300, deadline=None)
def test_any_text_and_bytes_are_taken_or_refused(frames: list[str | bytes], authenticated: bool) -> None:
    """The protocol answers arbitrary frames with requests or a ProtocolError, never otherwise."""
    protocol = NativeProtocol(authenticated=authenticated)
    for frame in frames:
        with suppress(ProtocolError):
            requests = protocol.text(frame) if isinstance(frame, str) else protocol.binary(frame)
            assert all(isinstance(request, Request) for request in requests)
