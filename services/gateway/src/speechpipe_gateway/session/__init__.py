"""The session core, sans-I/O: audio, results and the clock in; effects out."""

from speechpipe_gateway.session.config import Options, SessionConfig
from speechpipe_gateway.session.core import SessionCore
from speechpipe_gateway.session.effects import (
    Close,
    Effect,
    Promote,
    Release,
    Replay,
    Save,
    Send,
    Submit,
    SubmitText,
)
from speechpipe_gateway.session.endpointing import CHUNK, Vote
from speechpipe_gateway.session.restoring import Restored, restore

__all__ = [
    "CHUNK",
    "Close",
    "Effect",
    "Options",
    "Promote",
    "Release",
    "Replay",
    "Restored",
    "Save",
    "Send",
    "SessionConfig",
    "SessionCore",
    "Submit",
    "SubmitText",
    "Vote",
    "restore",
]
