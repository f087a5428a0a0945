"""Arrival traces: when final segments arrive and how many seconds of audio each holds.

A trace file is CSV with a header, in one of two forms. Times are seconds from the beginning and never go back; lines
that begin with ``#`` and empty lines are skipped.

``at_seconds,work_seconds``
    One line for each job: when it arrives, and its audio-seconds.
``seconds,arrivals,work_seconds``
    One line for each interval, from ``seconds`` to that of the next line (the last is as long as the one before it):
    how many jobs arrive, and their audio-seconds *together*. They are spread evenly over it and share the work.
"""

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

JOBS_FORM: Final = ("at_seconds", "work_seconds")
INTERVALS_FORM: Final = ("seconds", "arrivals", "work_seconds")
MOST_JOBS: Final = 2_000_000
MOST_SECONDS: Final = 31 * 86_400
MOST_PROBLEMS: Final = 20
"""So many wrong lines are named; a file with more is wrong in one way, not in so many."""


class TraceError(ValueError):
    """A trace can't be used; the message has one line for each problem."""


@dataclass(frozen=True, slots=True)
class Trace:
    """Jobs in the order of their arrival."""

    name: str
    at: Floats
    """Seconds of arrival, ascending, shape (jobs,)."""
    work: Floats
    """Audio-seconds of each job, > 0, shape (jobs,)."""
    length: float
    """Seconds that the trace lasts; not before the last arrival."""

    @property
    def jobs(self) -> int:
        """How many jobs arrive."""
        return len(self.at)

    @property
    def total_work(self) -> float:
        """Audio-seconds of all jobs."""
        return float(self.work.sum())


def read(path: Path) -> Trace:
    """The trace in a CSV file, named after the file.

    Raises:
        TraceError: something in it is wrong; says which lines.
        OSError: it can't be read.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise TraceError(f"{path}: not UTF-8 text, so no CSV") from error
    return parse(text, str(path), path.stem)


def parse(text: str, source: str, name: str) -> Trace:
    """The trace in a CSV text; ``source`` names it in errors.

    Raises:
        TraceError: something in it is wrong; says which lines.
    """
    reading = _Reading(source)
    rows = list(_rows(text))
    if not rows:
        raise TraceError(f"{source}: empty; needs a header, {_forms()}")
    header = tuple(field.strip() for field in rows[0][1])
    if header not in (JOBS_FORM, INTERVALS_FORM):
        raise TraceError(f"{source}:{rows[0][0]}: the header is {','.join(header)!r}; it must be {_forms()}")
    numbers = reading.numbers(rows[1:], header)
    if not numbers and not reading.problems:
        raise TraceError(f"{source}: has a header but no lines of data")
    trace = _jobs(numbers, name) if header == JOBS_FORM else _intervals(numbers, name, reading)
    if reading.problems:
        raise TraceError("\n".join(reading.problems))
    if trace.jobs == 0:
        raise TraceError(f"{source}: no job arrives in it")
    return trace


class _Reading:
    """Turns lines into numbers and collects what is wrong with them."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.problems: list[str] = []

    def wrong(self, line: int, what: str) -> None:
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(f"{self.source}:{line}: {what}")
        elif len(self.problems) == MOST_PROBLEMS:
            self.problems.append(f"{self.source}: and more")

    def numbers(self, rows: list[tuple[int, list[str]]], header: tuple[str, ...]) -> list[tuple[int, list[float]]]:
        """The good lines, with their line numbers."""
        good: list[tuple[int, list[float]]] = []
        before, jobs = -math.inf, 0.0
        for line, fields in rows:
            values = self._values(line, fields, header)
            if values is None:
                continue
            if values[0] < before or (values[0] == before and header == INTERVALS_FORM):
                self.wrong(line, f"{header[0]} is {values[0]:g} after {before:g}: lines must be in the order of time")
                continue
            before = values[0]
            jobs += values[1] if header == INTERVALS_FORM else 1
            if jobs > MOST_JOBS:
                self.wrong(line, f"more than {MOST_JOBS} jobs up to here; cut the trace into parts")
                return []
            good.append((line, values))
        return good

    def _values(self, line: int, fields: list[str], header: tuple[str, ...]) -> list[float] | None:
        if len(fields) != len(header):
            self.wrong(line, f"{len(fields)} fields; {','.join(header)} are {len(header)}")
            return None
        values = []
        for name, field in zip(header, fields, strict=True):
            value = _number(field)
            if problem := _problem(name, value, header):
                self.wrong(line, f"{name} is {field.strip()!r}: {problem}")
                return None
            values.append(value)
        if header == INTERVALS_FORM and (values[1] > 0) != (values[2] > 0):
            self.wrong(line, f"{values[1]:g} arrivals with {values[2]:g} s of work: both or neither must be 0")
            return None
        return values


def _problem(name: str, value: float, header: tuple[str, ...]) -> str:
    if not math.isfinite(value):
        return "not a number"
    if value < 0:
        return "must not be negative"
    if name == "arrivals" and value != int(value):
        return "must be a whole number"
    if name == "work_seconds" and value == 0 and header == JOBS_FORM:
        return "a job has some audio"
    if name in ("seconds", "at_seconds") and value > MOST_SECONDS:
        return f"more than {MOST_SECONDS // 86_400} days; are these seconds since the beginning of the trace?"
    return ""


def _number(field: str) -> float:
    try:
        return float(field)
    except ValueError:
        return math.nan


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Line numbers from 1, with the fields."""
    for line, content in enumerate(text.splitlines(), start=1):
        if content.strip() and not content.lstrip().startswith("#"):
            yield line, next(csv.reader([content]))


def _jobs(numbers: list[tuple[int, list[float]]], name: str) -> Trace:
    values = np.array([each for _, each in numbers], dtype=np.float64).reshape(-1, 2)
    return Trace(name, values[:, 0].copy(), values[:, 1].copy(), float(values[-1, 0]) if len(values) else 0.0)


def _intervals(numbers: list[tuple[int, list[float]]], name: str, reading: _Reading) -> Trace:
    if len(numbers) < 2:
        if not reading.problems:
            reading.wrong(numbers[0][0], "the only interval; a second line must say where it ends")
        return Trace(name, np.empty(0), np.empty(0), 0.0)
    values = np.array([each for _, each in numbers], dtype=np.float64)
    begins, counts = values[:, 0], values[:, 1].astype(np.int64)
    widths = np.diff(begins, append=2 * begins[-1] - begins[-2])
    interval = np.repeat(np.arange(len(counts)), counts)
    place = np.arange(len(interval)) - np.repeat(np.cumsum(counts) - counts, counts)
    at = begins[interval] + (place + 0.5) / counts[interval] * widths[interval]
    return Trace(name, at, values[:, 2][interval] / counts[interval], float(begins[-1] + widths[-1]))


def _forms() -> str:
    return f"{','.join(JOBS_FORM)!r} or {','.join(INTERVALS_FORM)!r}"
