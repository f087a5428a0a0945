"""Who comes in to ``/v1/listen``, and how somebody is told that he does not."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from speechpipe_common.wire import Error
from speechpipe_gateway.deepgram.dialect import DeepgramDialect
from speechpipe_gateway.deepgram.options import parse

SCHEMES: Final = ("token", "bearer")
"""Of the ``Authorization`` header; in a browser, the subprotocol that is offered before the key."""

_DENIED: Final = {
    400: ("Bad Request", "Bad Request"),
    401: ("INVALID_AUTH", "Invalid credentials"),
    403: ("INSUFFICIENT_PERMISSIONS", "Forbidden"),
    405: ("Method Not Allowed", "Method Not Allowed"),
    426: ("Upgrade Required", "Upgrade Required"),
    503: ("SERVICE_UNAVAILABLE", "Service Unavailable"),
}


class DeepgramEntrance:
    """Handshakes of ``/v1/listen``."""

    path = "/v1/listen"
    late_auth = False

    def token(self, headers: Mapping[str, str], offered: Sequence[str]) -> str | None:
        """``Authorization: Token KEY`` or ``Bearer KEY``, or the subprotocols ``token, KEY``; the header goes first."""
        scheme, _, key = headers.get("authorization", "").strip().partition(" ")
        if scheme.lower() in SCHEMES:
            return key.strip()
        for before, after in zip(offered, [*offered[1:], ""], strict=False):
            if before.lower() in SCHEMES:
                return after
        return None

    def subprotocol(self, offered: Sequence[str]) -> str | None:
        """The scheme, as Deepgram answers; the key, which was offered as well, is never said back."""
        return next((offer for offer in offered if offer.lower() in SCHEMES), None)

    def resuming(self, query: Mapping[str, str]) -> bool:
        """This protocol knows no way back to a stream."""
        return False

    def begin(self, query: Sequence[tuple[str, str]], *, authenticated: bool, sample_rate: int) -> DeepgramDialect:
        """Everything is in the query.

        Raises:
            ProtocolError: an option is not understood, or not supported.
        """
        return DeepgramDialect(parse(query), str(uuid.uuid4()), f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}")

    def denial(self, status: int, code: str, message: str) -> tuple[Mapping[str, Any], Mapping[str, str]]:
        """Deepgram's body, and its headers: most WebSocket libraries show these and not the body."""
        err_code, lead = _DENIED.get(status, (code, code))
        request_id, sentence = str(uuid.uuid4()), f"{lead}: {message}"
        headers = {"dg-error": sentence.encode("ascii", "backslashreplace").decode(), "dg-request-id": request_id}
        return {"err_code": err_code, "err_msg": sentence, "request_id": request_id}, headers

    def error(self, code: str, message: str, close: int) -> tuple[str, int]:
        """An ``Error`` message, and Deepgram's close code."""
        dialect = DeepgramDialect(parse([]), "", "")
        (text,) = dialect.said(Error(code=code, message=message, close=close))
        return text, dialect.goodbye(close, message)[1]
