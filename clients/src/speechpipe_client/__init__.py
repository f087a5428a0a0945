"""Speechpipe client: live captions and translations of speech, from Python.

``connect`` opens a session that takes audio and yields events, ``transcribe_file`` turns a file into a transcript, and
``speechpipe_client.sync`` has both without ``async``. The names in ``__all__`` are the library, and stay; other modules
may change.
"""

from speechpipe_client.audio import AudioError, AudioFile, Pace
from speechpipe_client.connecting import connect
from speechpipe_client.errors import (
    AuthenticationError,
    GatewayFull,
    GatewayUnreachable,
    IdleTimeout,
    ProtocolError,
    SessionEnded,
    SessionLost,
    SpeechpipeError,
    TakenOver,
    UnsupportedLanguage,
)
from speechpipe_client.events import Back, Event, Final, Lost, Opened, Partial, Problem
from speechpipe_client.microphone import Microphone, list_devices
from speechpipe_client.microphone_errors import MicrophoneDenied, MicrophoneError, NoMicrophone
from speechpipe_client.options import Credential, Limits, SessionOptions
from speechpipe_client.segment import Segment
from speechpipe_client.session import Session
from speechpipe_client.sources import Audio, AudioSource
from speechpipe_client.transcribing import transcribe, transcribe_file
from speechpipe_client.transcript import Transcript
from speechpipe_common.wire import (
    Error,
    FinalCaption,
    Ready,
    Realtime,
    SpeechStarted,
    Translation,
    WireWord,
)

__all__ = [
    "Audio",
    "AudioError",
    "AudioFile",
    "AudioSource",
    "AuthenticationError",
    "Back",
    "Credential",
    "Error",
    "Event",
    "Final",
    "FinalCaption",
    "GatewayFull",
    "GatewayUnreachable",
    "IdleTimeout",
    "Limits",
    "Lost",
    "Microphone",
    "MicrophoneDenied",
    "MicrophoneError",
    "NoMicrophone",
    "Opened",
    "Pace",
    "Partial",
    "Problem",
    "ProtocolError",
    "Ready",
    "Realtime",
    "Segment",
    "Session",
    "SessionEnded",
    "SessionLost",
    "SessionOptions",
    "SpeechStarted",
    "SpeechpipeError",
    "TakenOver",
    "Transcript",
    "Translation",
    "UnsupportedLanguage",
    "WireWord",
    "connect",
    "list_devices",
    "transcribe",
    "transcribe_file",
]
