"""What the conversation with the server tells the app."""

from dataclasses import dataclass
from enum import StrEnum

from speechpipe_client import Event


class State(StrEnum):
    """What is going on, for the tray icon and the buttons."""

    IDLE = "idle"
    OPENING = "opening"
    LISTENING = "listening"
    LOST = "lost"
    FINISHING = "finishing"


@dataclass(frozen=True, slots=True)
class Status:
    """A new state; ``sentence`` says why, where a person should know, and ``trouble`` that it is no good news."""

    state: State
    sentence: str = ""
    trouble: bool = False


@dataclass(frozen=True, slots=True)
class Heard:
    """An event of the session."""

    event: Event


@dataclass(frozen=True, slots=True)
class Delivered:
    """A stretch of speech is over: nothing more comes of it."""


Notice = Status | Heard | Delivered
