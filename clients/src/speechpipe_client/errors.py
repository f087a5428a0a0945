"""What can go wrong between a client and its gateway; each error says what to do about it."""


class SpeechpipeError(Exception):
    """Base of every error that this library raises on purpose."""


class GatewayUnreachable(SpeechpipeError):
    """No gateway answered, or none took the session back in time."""


class SessionLost(GatewayUnreachable):
    """The connection was lost, and no gateway took the session back within ``Limits.patience_seconds``."""


class GatewayFull(SpeechpipeError):
    """Every gateway said that it is full for as long as the client was ready to wait."""


class AuthenticationError(SpeechpipeError):
    """The gateway refused the API key, or the resume token of the session."""


class ProtocolError(SpeechpipeError):
    """One side said something that the other does not understand or accept (close 4400 or 1009, or a bad answer)."""


class TakenOver(SpeechpipeError):
    """Another connection continues this session (close 4409); this one must not come back."""


class IdleTimeout(SpeechpipeError):
    """The gateway ended the session because nothing came for too long (close 4408)."""


class UnsupportedLanguage(SpeechpipeError, ValueError):
    """No language goes by that code or name; the message suggests what looks most like it."""


class SessionEnded(SpeechpipeError):
    """Audio was sent to a session that is over."""
