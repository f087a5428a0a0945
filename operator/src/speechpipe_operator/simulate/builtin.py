"""The named traces: five to tune on and five that no setting was chosen with. Both are fixed by their seeds."""

from collections.abc import Callable
from functools import cache
from typing import Final

import numpy as np

from speechpipe_operator.simulate.synthetic import Load, exponential, from_sessions, pareto, trace
from speechpipe_operator.simulate.trace import Floats, Trace

HOUR: Final = 3600.0


def _constant() -> Trace:
    return trace("constant", 11, 1.5 * HOUR, lambda t: np.full_like(t, 28.0), exponential(300.0))


def _diurnal() -> Trace:
    """A day in four hours: from 3 sessions to 50 and back."""
    load: Load = lambda t: 3.0 + 47.0 * (1.0 - np.cos(2.0 * np.pi * t / (4.0 * HOUR))) / 2.0  # noqa: E731 - typed
    return trace("diurnal", 12, 4.0 * HOUR, load, exponential(240.0))


def _burst() -> Trace:
    """Ten sessions, and three times 45 for eight minutes."""
    load: Load = lambda t: np.where((t % 2400.0 > 1200.0) & (t % 2400.0 < 1680.0), 45.0, 10.0)  # noqa: E731 - typed
    return trace("burst", 13, 2.0 * HOUR, load, exponential(90.0))


def _heavy_tail() -> Trace:
    """Few very long sessions hold most of the work."""
    return trace("heavy-tail", 14, 2.0 * HOUR, lambda t: np.full_like(t, 24.0), pareto(1.3, 30.0, 5400.0))


def _sawtooth() -> Trace:
    """Slowly up to 45 sessions and gone at once, four times."""
    return trace("sawtooth", 15, 2.0 * HOUR, lambda t: 2.0 + 43.0 * (t % 1800.0) / 1800.0, exponential(60.0))


def _call_center() -> Trace:
    """Shifts of 25 minutes with 30 calls, and 20 minutes without any."""
    load: Load = lambda t: np.where(t % 2700.0 < 1500.0, 30.0, 0.0)  # noqa: E731 - typed
    return trace("call-center", 21, 3.0 * HOUR, load, exponential(150.0))


def _flash_crowd() -> Trace:
    """Six sessions; within a minute 60 more, which go away over half an hour."""

    def load(t: Floats) -> Floats:
        since = t - 2400.0
        return 6.0 + 60.0 * np.clip(since / 60.0, 0.0, 1.0) * np.exp(-np.maximum(since - 60.0, 0.0) / 900.0)

    return trace("flash-crowd", 22, 2.0 * HOUR, load, exponential(120.0))


def _conference() -> Trace:
    """Four talks of 30 minutes: 40 sessions begin within a minute and end together; breaks of 15 minutes between."""
    rng = np.random.default_rng(23)
    begins = np.arange(4) * 2700.0 + 300.0
    starts = (begins[:, None] + rng.uniform(0.0, 60.0, (4, 40))).ravel()
    ends = np.repeat(begins + 1800.0, 40)
    order = np.argsort(starts)
    return from_sessions("conference", rng, starts[order], (ends - starts)[order], 4 * 2700.0)


def _ramp() -> Trace:
    """Two hours up to 60 sessions, and down within twenty minutes."""
    load: Load = lambda t: 60.0 * np.minimum(t / (2 * HOUR), np.maximum((2 * HOUR + 1200.0 - t) / 1200.0, 0.0))  # noqa: E731
    return trace("ramp", 24, 2.5 * HOUR, load, exponential(200.0))


def _light() -> Trace:
    """One session or two, and often none."""
    return trace("light", 25, 3.0 * HOUR, lambda t: np.full_like(t, 0.9), exponential(400.0))


_TUNING: Final[dict[str, Callable[[], Trace]]] = {
    "constant": _constant,
    "diurnal": _diurnal,
    "burst": _burst,
    "heavy-tail": _heavy_tail,
    "sawtooth": _sawtooth,
}
_UNSEEN: Final[dict[str, Callable[[], Trace]]] = {
    "call-center": _call_center,
    "flash-crowd": _flash_crowd,
    "conference": _conference,
    "ramp": _ramp,
    "light": _light,
}

TUNING: Final = tuple(_TUNING)
"""Traces to choose settings with."""
UNSEEN: Final = tuple(_UNSEEN)
"""Traces to report on; other shapes, other seeds."""


@cache
def named(name: str) -> Trace:
    """A built-in trace.

    Raises:
        KeyError: there is none of that name.
    """
    return (_TUNING | _UNSEEN)[name]()
