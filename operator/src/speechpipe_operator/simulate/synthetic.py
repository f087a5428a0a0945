"""Traces from a model of speech: sessions come, in each somebody speaks in turns, and every turn ends in one final."""

from collections.abc import Callable
from typing import Final

import numpy as np

from speechpipe_operator.simulate.trace import Floats, Trace

Load = Callable[[Floats], Floats]
"""Sessions that should be open at each of these seconds, as an average."""
Lengths = Callable[[np.random.Generator, int], Floats]
"""Draws so many lengths of sessions, in seconds."""

SHORTEST: Final = 1.0
LONGEST: Final = 10.0
UTTERANCE_MEDIAN: Final = 3.2
UTTERANCE_SIGMA: Final = 0.6
"""Lognormal audio-seconds of a final, cut to 1 to 10 s; 3.8 s on average."""
PAUSE_MEAN: Final = 4.0
"""Exponential silence between turns; with utterances of 3.8 s a session speaks half of its time."""
QUIET: Final = 600.0
"""Seconds after the last session, so that the cost of capacity that is kept too long shows."""
MOST_TURNS: Final = 2_000


def exponential(mean: float) -> Lengths:
    """Session lengths with that mean in seconds."""
    return lambda rng, count: rng.exponential(mean, count)


def pareto(shape: float, shortest: float, longest: float) -> Lengths:
    """Heavy-tailed session lengths: P(X > x) = (shortest / x)^shape, cut at ``longest``."""
    return lambda rng, count: np.minimum(shortest * (1.0 + rng.pareto(shape, count)), longest)


def trace(name: str, seed: int, length: float, load: Load, lengths: Lengths) -> Trace:
    """Sessions by a Poisson process whose rate keeps ``load`` sessions open (Little: rate = load / mean length).

    The process begins empty, so the load builds up over the first session lengths, as it does in life.
    """
    rng = np.random.default_rng(seed)
    mean = float(lengths(np.random.default_rng(0), 100_000).mean())
    rates = np.maximum(load(np.arange(0.0, length)), 0.0) / mean
    peak = float(rates.max())
    starts = np.sort(rng.uniform(0.0, length, rng.poisson(peak * length)))
    kept = starts[rng.uniform(0.0, peak, len(starts)) < rates[starts.astype(np.int64)]]
    return from_sessions(name, rng, kept, lengths(rng, len(kept)), length)


def from_sessions(name: str, rng: np.random.Generator, starts: Floats, lengths: Floats, length: float) -> Trace:
    """The finals of these sessions; those after ``length`` are cut off, and a quiet end follows."""
    at, work = [np.empty(0)], [np.empty(0)]
    for start, lasting in zip(starts, lengths, strict=True):
        turns = min(MOST_TURNS, int(lasting / (SHORTEST + PAUSE_MEAN) * 2) + 4)
        audio = np.clip(rng.lognormal(np.log(UTTERANCE_MEDIAN), UTTERANCE_SIGMA, turns), SHORTEST, LONGEST)
        ends = start + np.cumsum(audio + rng.exponential(PAUSE_MEAN, turns))
        spoken = ends < min(start + lasting, length)
        at.append(ends[spoken])
        work.append(audio[spoken])
    moments, audio = np.concatenate(at), np.concatenate(work)
    order = np.argsort(moments, kind="stable")
    return Trace(name, moments[order], audio[order], length + QUIET)
