"""What the end of a connection means for the session: over, to be tried again, or refused. Pure."""

from dataclasses import dataclass

from speechpipe_client.errors import (
    AuthenticationError,
    GatewayFull,
    GatewayUnreachable,
    IdleTimeout,
    ProtocolError,
    SpeechpipeError,
    TakenOver,
)
from speechpipe_common import wire

_AWAY = 1001
_RETRIED = frozenset({_AWAY, 1005, 1006, wire.CLOSE_RESTART, wire.CLOSE_FULL, wire.CLOSE_SERVER})

_BUSY_STATUS = frozenset({429, 503})
_PASSING_STATUS = frozenset({500, 502, 504})


@dataclass(frozen=True, slots=True)
class Done:
    """Everything was delivered."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Connect again: after ``wait`` seconds, or after the usual backoff when that is None.

    ``error`` is what to raise when patience runs out. ``answered`` is False when nobody was there at all.
    """

    error: SpeechpipeError
    wait: float | None = None
    answered: bool = True


@dataclass(frozen=True, slots=True)
class Refused:
    """Trying again would not help."""

    error: SpeechpipeError


Ending = Done | Retry | Refused


def judge_close(code: int, reason: str, said: wire.Error | None) -> Ending:
    """What a close with ``code`` means; ``said`` is the error message that came before it, if any."""
    text = _explain(code, reason, said)
    if code == wire.CLOSE_DONE:
        return Done()
    if code == wire.CLOSE_FULL:
        return Retry(GatewayFull(text))
    if code in _RETRIED:
        return Retry(GatewayUnreachable(text))
    match code:
        case wire.CLOSE_AUTH:
            return Refused(AuthenticationError(text))
        case wire.CLOSE_TAKEN_OVER:
            return Refused(TakenOver(text))
        case wire.CLOSE_IDLE:
            return Refused(IdleTimeout(text))
        case _:
            return Refused(ProtocolError(text))


def judge_status(status: int, retry_after: str | None, url: str, said: str = "") -> Ending:
    """What an HTTP answer other than 101 to the upgrade request means.

    ``retry_after`` is that header's value in seconds (RFC 9110 §10.2.3); the date form counts as absent. ``said`` is
    what the gateway gave as its reason.
    """
    wait = float(retry_after) if retry_after is not None and retry_after.strip().isdigit() else None
    http = f"(HTTP {status})"
    if status in _BUSY_STATUS:
        return Retry(GatewayFull(f"{url} is full: {said or 'try again later or add gateways'} {http}"), wait)
    if status in _PASSING_STATUS:
        return Retry(GatewayUnreachable(f"{url} does not serve now: {said or 'try again later'} {http}"), wait)
    if status in (401, 403):
        return Refused(AuthenticationError(f"{url} refused the API key: {said or 'check SPEECHPIPE_API_KEY'} {http}"))
    return Refused(ProtocolError(f"{url} is no Speechpipe gateway: {said or 'the path is usually /ws'} {http}"))


def _explain(code: int, reason: str, said: wire.Error | None) -> str:
    if said is not None and said.code == "not_authenticated":
        return f"the gateway wants an API key, and none was given: api_key, or SPEECHPIPE_API_KEY (close {code})"
    if said is not None:
        return f"{said.message} ({said.code}, close {code})"
    return f"{reason or 'the connection ended'} (close {code})"
