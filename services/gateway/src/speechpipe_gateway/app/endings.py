"""What ends a connection from within, as its client is told."""

from dataclasses import dataclass
from typing import Final

from redis.exceptions import RedisError

from speechpipe_common.logs import get_logger
from speechpipe_common.store import ResumeDeniedError
from speechpipe_common.wire import CLOSE_AUTH, CLOSE_BAD_MESSAGE, CLOSE_FULL, CLOSE_IDLE, CLOSE_SERVER
from speechpipe_gateway.dialect import ProtocolError
from speechpipe_gateway.media import MediaError
from speechpipe_gateway.vad import VadError

ENDINGS: Final = (TimeoutError, ProtocolError, MediaError, ResumeDeniedError, VadError, RedisError, OSError)
"""Where a client is at fault, or something that a gateway lives with; all else is a fault of the program."""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Ending:
    """The last ``error``, and the close that follows."""

    code: str
    message: str
    close: int


def ending(error: BaseException) -> Ending:
    """How a connection ends that one of ``ENDINGS`` has ended; what operators should know is logged."""
    match error:
        case TimeoutError():
            return Ending(
                "session_too_long", "the session has reached its longest duration; open a new one", CLOSE_IDLE
            )
        case ProtocolError(code=code, message=message, close=close):
            return Ending(code, message, close or CLOSE_BAD_MESSAGE)
        case MediaError(code=code, message=message):
            return Ending(code, message, CLOSE_BAD_MESSAGE)
        case ResumeDeniedError():
            denied = "there is no such session for this key, or the token is not its current one; start a new session"
            return Ending("resume_denied", denied, CLOSE_AUTH)
        case VadError():
            log.error("vad_failed", error=str(error))
            return Ending("internal", "the audio could not be analysed; resume the session", CLOSE_SERVER)
    log.warning("session_not_opened", error=str(error))
    return Ending("unavailable", "the service cannot take sessions at the moment; try again", CLOSE_FULL)
