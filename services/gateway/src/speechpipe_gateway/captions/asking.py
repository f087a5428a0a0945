"""What a request for captions asks for, and why it is refused. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast, get_args

from speechpipe_common.languages import UnknownLanguage, resolve
from speechpipe_gateway.captions.writing import Form

_KNOWN = frozenset({"token", "language"})


class CaptionError(Exception):
    """A request that is refused.

    Attributes:
        status: of HTTP.
        code: for programs.
        retry_after: seconds after which it may be asked again, where that makes sense.
    """

    def __init__(self, status: int, code: str, message: str, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Ask:
    """A request that makes sense."""

    session: str
    form: Form
    token: str
    language: str | None
    """Code of the translation that is wanted; None: what was said."""


def read(name: str, query: Mapping[str, str], authorization: str | None) -> Ask:
    """Read the name of the file, ``SESSION.vtt`` or ``SESSION.srt``, and its query.

    The token may stand in the query, since a player has no other place for it: it opens nothing but captions.

    Raises:
        CaptionError: a form that is not written, an unknown option or language, or no token.
    """
    session, _, form = name.rpartition(".")
    if not session or form not in get_args(Form):
        raise CaptionError(404, "unknown_form", f"{name[:80]!r} is no captions; ask for SESSION.vtt or SESSION.srt")
    if unknown := sorted(query.keys() - _KNOWN):
        raise CaptionError(400, "unknown_option", f"option {unknown[0][:40]!r} is not known; say token or language")
    scheme, _, shown = (authorization or "").strip().partition(" ")
    token = shown.strip() if scheme.lower() == "bearer" else query.get("token", "")
    if not token:
        raise CaptionError(
            401, "captions_token_missing", "show the captions_token of the session's ready, as ?token= or Bearer"
        )
    return Ask(session, cast(Form, form), token, _language(query.get("language")))


def _language(name: str | None) -> str | None:
    if name is None:
        return None
    try:
        return resolve(name).code
    except UnknownLanguage as error:
        raise CaptionError(400, "unknown_language", str(error)) from error
