"""What a watch tells."""

from dataclasses import dataclass
from typing import Any

from speechpipe_operator.objects import Object


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """An object as it is, or was when it went."""

    kind: str
    object: Object
    gone: bool


def event_of(kind: str, raw: Any) -> WatchEvent:  # noqa: ANN401 - kopf's RawEvent
    """The event that kopf hands to a handler."""
    return WatchEvent(kind, raw["object"], gone=raw["type"] == "DELETED")
