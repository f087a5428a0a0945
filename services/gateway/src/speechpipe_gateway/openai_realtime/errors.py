"""What is refused, in the shape in which clients of this protocol expect it. The connection stays open."""

import re
from typing import Any, Final, NoReturn, TypeVar

import msgspec

T = TypeVar("T")

INVALID_REQUEST: Final = "invalid_request_error"
SERVER: Final = "server_error"

_UNKNOWN_FIELD: Final = re.compile(r"unknown field `(?P<name>[^`]*)`")
_MISSING_FIELD: Final = re.compile(r"missing required field `(?P<name>[^`]*)`")
_PATH: Final = re.compile(r" - at `\$\.?(?P<path>[^`]*)`$")
_LONGEST: Final = 200


class Refused(Exception):
    """A client's event that is answered with ``error``.

    Attributes:
        code: stable name for programs.
        message: what was wrong, with which value, and what to do.
        param: path of the field that is wrong, if it is one.
    """

    def __init__(self, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.param = param


def wrong(param: str, message: str) -> Refused:
    """A field has a value that is not taken."""
    return Refused("invalid_value", message, param)


def convert(fields: object, kind: type[T], under: str = "") -> T:
    """Fields as a message.

    Args:
        fields: decoded JSON.
        kind: of message.
        under: path of ``fields`` in the event.

    Raises:
        Refused: they are none; names the one that is wrong.
    """
    try:
        return msgspec.convert(fields, type=kind)
    except msgspec.ValidationError as error:
        _explain(str(error), under)


def _explain(text: str, under: str) -> NoReturn:
    found = _PATH.search(text)
    place = ".".join(filter(None, (under, found["path"] if found else "")))
    said = text[: found.start()] if found else text
    for pattern, code, hint in (
        (_UNKNOWN_FIELD, "unknown_parameter", "leave it out: it is not served here"),
        (_MISSING_FIELD, "missing_required_parameter", "say it"),
    ):
        if field := pattern.search(said):
            param = ".".join(filter(None, (place, field["name"])))[:_LONGEST]
            raise Refused(code, f"{code.replace('_', ' ')} {param!r}; {hint}", param)
    raise Refused("invalid_type", f"{place or 'the event'}: {said[:_LONGEST]}", place[:_LONGEST] or None)


def decoded(raw: str) -> dict[str, Any]:
    """The object that a text frame holds.

    Raises:
        Refused: it holds none.
    """
    try:
        fields = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        raise Refused("invalid_json", f"an event must be a JSON object: {error}"[:_LONGEST]) from error
    if not isinstance(fields, dict):
        raise Refused("invalid_json", f"an event must be a JSON object, not {type(fields).__name__}")
    return fields
