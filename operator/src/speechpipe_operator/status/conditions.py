"""Verdicts become conditions: with a generation, and the time of their last transition."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from speechpipe_operator.status.verdict import Verdict

Condition = dict[str, Any]
"""A ``metav1.Condition`` as JSON."""


def timestamp(now: float) -> str:
    """Unix seconds as the API writes times: RFC 3339 in UTC, whole seconds."""
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def conditions(
    verdicts: Mapping[str, Verdict], previous: Sequence[Condition], generation: int, now: float
) -> list[Condition]:
    """One condition for each verdict, in order; a condition keeps its time while its status stays."""
    before = {item.get("type"): item for item in previous}
    made = []
    for kind, verdict in verdicts.items():
        old = before.get(kind, {})
        since = old.get("lastTransitionTime") if old.get("status") == verdict.truth else None
        made.append(
            {
                "type": kind,
                "status": verdict.truth,
                "reason": verdict.reason,
                "message": verdict.message,
                "observedGeneration": generation,
                "lastTransitionTime": since or timestamp(now),
            }
        )
    return made
