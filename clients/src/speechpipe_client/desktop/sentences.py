"""What went wrong, in a sentence for whoever sits in front of it. Pure."""

from collections.abc import Sequence
from typing import Final

from speechpipe_client import (
    AudioError,
    AuthenticationError,
    GatewayFull,
    GatewayUnreachable,
    MicrophoneDenied,
    MicrophoneError,
    NoMicrophone,
    Problem,
    SessionLost,
    SpeechpipeError,
    TakenOver,
)
from speechpipe_client.desktop.loopback import LoopbackError

LOST: Final = "The connection is lost. Speak on: what you say is kept, and sent when it is back."
BACK: Final = "The connection is back; nothing was lost."
SILENT: Final = (
    "The microphone gives nothing but silence: it is muted, or this app is denied it in the system's privacy settings."
)
DENIED: Final = (
    "This app is denied the microphone. Allow it in the system's privacy settings (on Linux: be in the group audio), "
    "then start again."
)
NO_MICROPHONE: Final = "There is no microphone. Plug one in, or choose another input in the settings."
COPIED: Final = "Nothing can type into this desktop's windows: the text is on the clipboard, paste it."
NOT_TAKEN: Final = "The window took no text; it is on the clipboard, paste it."

_LANGUAGE_CODES: Final = frozenset({"unknown_language", "unsupported_language", "unsupported_pair"})


def of_failure(error: SpeechpipeError, *, urls: Sequence[str], has_key: bool) -> str:
    """Why listening ended.

    Args:
        error: what ended it.
        urls: where a server was looked for.
        has_key: whether an API key is set.
    """
    match error:
        case AuthenticationError() if has_key:
            return "The server refused the API key. Enter the right one in the settings."
        case AuthenticationError():
            return "The server asks for an API key. Enter it in the settings."
        case GatewayFull():
            return "The server is full. Try again in a moment."
        case SessionLost():
            return "The server did not come back. What was said since the connection was lost has no captions."
        case GatewayUnreachable():
            return f"No server answers at {' or '.join(urls)}. Start one, or mend its address in the settings."
        case TakenOver():
            return "Another connection goes on with this session; this one has ended."
        case NoMicrophone():
            return NO_MICROPHONE
        case MicrophoneDenied():
            return DENIED
        case MicrophoneError() | LoopbackError() | AudioError():
            return f"There is no sound: {error}."
        case _:
            return f"Listening has ended: {error}."


def of_problem(problem: Problem) -> str:
    """What the server says while the session goes on."""
    if problem.code in _LANGUAGE_CODES:
        return f"The server cannot do this language: {problem.message}."
    if problem.language is not None:
        return f"A sentence has no translation into {problem.language}: {problem.message}."
    if problem.segment_id is not None:
        return f"A sentence could not be transcribed: {problem.message}."
    return f"The server says: {problem.message}."
