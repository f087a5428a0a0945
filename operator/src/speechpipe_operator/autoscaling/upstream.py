"""What one stage is about to send to the next, before it stands in that one's queue. Pure."""

from typing import Final

from speechpipe_operator.autoscaling.types import Backlog, Decision

MEASURED_WORK: Final = 60.0
"""Seconds of audio after which the ratio of what went in and what came out is believed."""


def sent_on(decision: Decision, source: Backlog, sink: Backlog, drain_seconds: float, fan_out: int) -> float:
    """Work a second that the source's workers will make for the sink.

    They send what arrives and what waits, worked off within the drain time, and never more than they can do. Each
    second of it makes as much for the sink as it has so far: one for each language, none where nobody translates.

    Args:
        decision: about the source.
        source: its backlog.
        sink: the backlog of the stage that it feeds.
        drain_seconds: the source's drain target.
        fan_out: what one second of work makes, until that has been measured.
    """
    possible = decision.replicas * decision.speed
    rate = min(decision.rate + decision.work / max(drain_seconds, 1e-3), possible)
    if source.done_work < MEASURED_WORK:
        return rate * fan_out
    return rate * sink.arrived_work / source.done_work
