"""When each stream begins, at which moment of each frame it speaks, and when its connection is cut. Pure."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

TICK_SECONDS: Final = 0.01
"""Streams are spread over the ticks of a frame, so that their frames do not all come at once."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a load goes: ``streams`` begin within ``ramp`` seconds, and speak together for ``hold`` seconds."""

    streams: int
    ramp: float
    hold: float
    drop: float | None = None
    """Mean seconds between two cuts of one stream's connection; None: never cut."""
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Entrance:
    """One stream's place in the plan."""

    number: int
    start: float
    """Seconds after the load's beginning."""
    phase: int
    """Which tick of each frame is its own."""


def entrances(plan: Plan, frame_seconds: float) -> list[Entrance]:
    """Where each stream comes in: evenly over the ramp, moved by up to half a step, in order of their start."""
    dice = random.Random(plan.seed)
    ticks = max(1, round(frame_seconds / TICK_SECONDS))
    step = plan.ramp / plan.streams
    return [
        Entrance(number, max(0.0, (number + 0.5 + dice.uniform(-0.5, 0.5)) * step), number % ticks)
        for number in range(plan.streams)
    ]


def cuts(plan: Plan, number: int) -> Iterator[float]:
    """Seconds of a stream's audio at which its connection is cut, without end; as often as a Poisson process does."""
    if plan.drop is None:
        return
    dice = random.Random(f"{plan.seed}/{number}/cuts")
    at = 0.0
    while True:
        at += dice.expovariate(1 / plan.drop)
        yield at
