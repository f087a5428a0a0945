"""The link to a session's captions that an audience may have. Pure."""

from typing import Literal
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

CaptionForm = Literal["vtt", "srt"]

_SCHEMES = {"ws": "http", "wss": "https"}


def captions_url(gateway: str, session_id: str, token: str, form: CaptionForm, language: str | None) -> str:
    """Address of the captions on the gateway at ``gateway``, whose path ends in ``/ws``.

    Args:
        gateway: ``ws://`` or ``wss://`` address.
        session_id: of the session.
        token: the session's captions token.
        form: of the file.
        language: code of a translation; None for what is said.
    """
    parts = urlsplit(gateway)
    folder = parts.path.rpartition("/")[0]
    query = urlencode({"token": token} | ({"language": language} if language else {}))
    path = f"{folder}/captions/{quote(session_id, safe='')}.{form}"
    return urlunsplit((_SCHEMES.get(parts.scheme, parts.scheme), parts.netloc, path, query, ""))
