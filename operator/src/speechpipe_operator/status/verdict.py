"""A verdict: what one condition says, before it has a time."""

from dataclasses import dataclass
from typing import Final, Literal

Truth = Literal["True", "False", "Unknown"]

MESSAGE_LENGTH: Final = 1024
"""Longest message: the API takes 32,768 characters, people read fewer."""

CALLED: Final = {"redis": "Redis", "gateway": "gateway", "stt": "STT", "translation": "translation"}
"""Components as sentences call them."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Status, reason (CamelCase, stable) and message of a condition."""

    truth: Truth
    reason: str
    message: str = ""

    def __post_init__(self) -> None:
        if len(self.message) > MESSAGE_LENGTH:
            object.__setattr__(self, "message", self.message[: MESSAGE_LENGTH - 1] + "…")

    @property
    def well(self) -> bool:
        """Whether it says True."""
        return self.truth == "True"


def pods_of(count: int, total: int, component: str) -> str:
    """How many pods a sentence is about: ``2 of 4 STT pods``, ``the gateway pod``, ``both STT pods``."""
    called = CALLED.get(component, component)
    if total <= 1:
        return f"the {called} pod"
    return f"all {total} {called} pods" if count == total else f"{count} of {total} {called} pods"
