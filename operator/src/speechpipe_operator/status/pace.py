"""When a status is worth a write, and what of it is worth an event."""

from collections.abc import Mapping
from typing import Any, Final

from speechpipe_operator.status.conditions import Condition

PACE_SECONDS: Final = 10.0
"""Least time between two writes that only change numbers or words."""

WORTHWHILE: Final = 0.1
"""Change of a number, relative to what stands there, that is worth a write."""


def worth_writing(written: Mapping[str, Any], wanted: Mapping[str, Any], last: float, now: float) -> bool:
    """Whether ``wanted`` should replace ``written`` now: transitions at once, else large changes at a pace."""
    if _essence(written) != _essence(wanted):
        return True
    if now - last < PACE_SECONDS:
        return False
    return _words(written) != _words(wanted) or any(
        abs(new - old) > WORTHWHILE * max(abs(old), 1) for old, new in _pairs(written, wanted)
    )


def transitions(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Condition]:
    """The conditions whose status or reason has changed, first ones left out: one event for each."""
    old = {item["type"]: (item["status"], item["reason"]) for item in before.get("conditions", [])}
    return [
        item
        for item in after.get("conditions", [])
        if item["type"] in old and old[item["type"]] != (item["status"], item["reason"])
    ]


def _essence(status: Mapping[str, Any]) -> object:
    """What is never late: generations, conditions without their words, and how many there should be."""
    conditions = [(item["type"], item["status"], item["reason"]) for item in status.get("conditions", [])]
    desired = [(name, part.get("desired")) for name, part in _parts(status)]
    return status.get("observedGeneration"), conditions, desired, status.get("endpoint")


def _words(status: Mapping[str, Any]) -> object:
    messages = [item["message"] for item in status.get("conditions", [])]
    return messages, [(part.get("ready"), part.get("reason")) for _, part in _parts(status)]


def _parts(status: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    return [(name, part) for name, part in sorted(status.items()) if isinstance(part, dict)]


def _pairs(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[tuple[int, int]]:
    return [(before.get(name) or 0, after.get(name) or 0) for name in ("backlog",)]
