"""What a WebSocket handshake says about who connects: a key in its headers, and the page that it comes from."""

import base64
import binascii
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

SUBPROTOCOL: Final = "speechpipe.v1"
"""What the server answers with when the client offers it; an offered key is never echoed."""

_KEY_SUBPROTOCOL: Final = "speechpipe.key."
_DEFAULT_PORTS: Final = {"http": 80, "https": 443, "ws": 80, "wss": 443}


def handshake_token(authorization: str | None, subprotocols: Iterable[str]) -> str | None:
    """The API key shown in the handshake, or None when there is none and an ``auth`` message must follow.

    A program sends ``Authorization: Bearer KEY``; a browser, which cannot, may offer the subprotocols
    ``speechpipe.v1`` and ``speechpipe.key.`` + the key in base64url. The header goes first. A key that is shown but
    cannot be read is ``""``, which is nobody's.
    """
    scheme, _, token = (authorization or "").strip().partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    for offer in subprotocols:
        if offer.startswith(_KEY_SUBPROTOCOL):
            return _decode(offer.removeprefix(_KEY_SUBPROTOCOL))
    return None


def _decode(encoded: str) -> str:
    try:
        padded = encoded.encode("ascii") + b"=" * (-len(encoded) % 4)
        return base64.b64decode(padded, altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeError):
        return ""


def origin_allowed(origin: str | None, host: str | None, allowed: Iterable[str]) -> bool:
    """Whether a handshake from this web page is taken.

    Args:
        origin: The ``Origin`` header; None for programs, which are always allowed here.
        host: The ``Host`` header.
        allowed: Origins such as ``https://app.example.com``, or ``*``; when empty, the page must come from ``host``.
    """
    if origin is None:
        return True
    choices = tuple(allowed)
    if choices:
        return "*" in choices or _place(origin) in map(_place, choices)
    page = _place(origin)
    return page is not None and host is not None and page == _place(f"{urlsplit(origin).scheme}://{host}")


def _place(origin: str) -> tuple[str, str, int] | None:
    """Scheme, host and port; None for ``null`` and other things that are no origin."""
    try:
        parts = urlsplit(origin)
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        return None
    if not parts.hostname or port is None:
        return None
    return parts.scheme, parts.hostname, port
