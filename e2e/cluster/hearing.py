"""What callers printed, and whether they got everything once. Pure."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from callers import Said
from verdict import Verdict, judge

from speechpipe_common.wire import FinalCaption, Ready, Realtime, ServerMessage

Json = dict[str, Any]


@dataclass(frozen=True)
class Heard:
    """A message, and when it came, in unix seconds."""

    at: float
    message: ServerMessage


@dataclass
class Outcome:
    """Everything about one caller."""

    name: str
    heard: list[Heard] = field(default_factory=list)
    end: Json | None = None
    """The caller's own sum; None until it has ended."""

    @property
    def messages(self) -> list[ServerMessage]:
        """What came over the wire."""
        return [item.message for item in self.heard]

    @property
    def finals(self) -> list[FinalCaption]:
        """Finals in the order in which they came."""
        return [message for message in self.messages if isinstance(message, FinalCaption)]

    @property
    def text(self) -> str:
        """All that was understood, in the order of speech."""
        return " ".join(
            final.text.strip() for final in sorted(self.finals, key=lambda f: f.start) if final.text.strip()
        )

    @property
    def resumed(self) -> int:
        """How often it went on over another connection."""
        return sum(isinstance(message, Ready) and message.resumed for message in self.messages)

    def first_caption(self) -> float | None:
        """When the first words came, partial or final, in unix seconds."""
        return next(
            (i.at for i in self.heard if isinstance(i.message, Realtime | FinalCaption) and i.message.text.strip()),
            None,
        )


def read(lines: Iterable[str]) -> dict[str, Outcome]:
    """Outcomes by caller. A last line that is cut short is left out."""
    outcomes: dict[str, Outcome] = {}
    for line in lines:
        try:
            parsed: Json = json.loads(line)
            outcome = outcomes.setdefault(parsed["caller"], Outcome(parsed["caller"]))
        except (ValueError, KeyError, TypeError):
            continue
        if "message" in parsed:
            outcome.heard.append(Heard(parsed["at"], msgspec.convert(parsed["message"], ServerMessage)))
        else:
            outcome.end = parsed
    return outcomes


def verdict(outcomes: Sequence[Outcome], targets: dict[str, str | None]) -> Verdict:
    """What all callers got, added up.

    Raises:
        AssertionError: a session failed, did not end, or was told of an error.
    """
    total = Verdict()
    for outcome in outcomes:
        assert outcome.end is not None, f"{outcome.name} has not ended"
        assert outcome.end["failure"] is None, f"{outcome.name}: {outcome.end['failure']}"
        assert not outcome.end["errors"], f"{outcome.name}: {outcome.end['errors']}"
        said = [Said(**one) for one in outcome.end["said"]]
        total += judge(outcome.messages, said, targets[outcome.name])
    return total
