"""What the loaded processes cost, from their own metrics."""

import asyncio
import re
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from speechpipe_client.errors import SpeechpipeError

POLL_SECONDS: Final = 2.0
ANSWER_SECONDS: Final = 5.0
_SAMPLE: Final = re.compile(r"^(process_cpu_seconds_total|process_resident_memory_bytes) (\S+)$", re.MULTILINE)
_QUEUE: Final = re.compile(r"^speechpipe_queue_jobs (\S+)$", re.MULTILINE)


class NoMetrics(SpeechpipeError):
    """A process's metrics can't be read."""


@dataclass(frozen=True, slots=True)
class Process:
    """A process with metrics; ``url`` is that of its ``/metrics``."""

    name: str
    url: str


@dataclass(frozen=True, slots=True)
class Sample:
    """What a process has cost at one moment."""

    name: str
    at: float
    cpu_seconds: float
    memory_bytes: float


def parse(text: str) -> tuple[float, float] | None:
    """CPU seconds and resident bytes of a process, from the text format of Prometheus; None if it does not tell."""
    found = {name: float(value) for name, value in _SAMPLE.findall(text)}
    if len(found) < 2:
        return None
    return found["process_cpu_seconds_total"], found["process_resident_memory_bytes"]


def waiting(text: str) -> float:
    """Audio jobs that wait or are in work, as a gateway tells; 0 of a process that does not."""
    return sum(float(value) for value in _QUEUE.findall(text))


def read(process: Process) -> tuple[float, float]:
    """CPU seconds and resident bytes of a process, now.

    Raises:
        NoMetrics: nobody there, or it says something else.
    """
    found = parse(_fetch(process))
    if found is None:
        raise NoMetrics(f"{process.url} tells neither process_cpu_seconds_total nor process_resident_memory_bytes")
    return found


async def idle(processes: Sequence[Process], seconds: float, until: asyncio.Event) -> bool:
    """Wait until no gateway knows of audio jobs, or for the event; False where some are left after ``seconds``."""
    clock = asyncio.get_running_loop().time
    deadline = clock() + seconds
    while any(await asyncio.gather(*(asyncio.to_thread(_busy, process) for process in processes))):
        if clock() > deadline:
            return False
        with suppress(TimeoutError):
            await asyncio.wait_for(until.wait(), POLL_SECONDS)
            return True
    return True


def _busy(process: Process) -> bool:
    """Whether jobs wait; of a process that does not answer that is supposed."""
    try:
        return waiting(_fetch(process)) > 0
    except NoMetrics:
        return True


def _fetch(process: Process) -> str:
    try:
        with urllib.request.urlopen(process.url, timeout=ANSWER_SECONDS) as answer:  # noqa: S310 - what the caller names
            text: str = answer.read().decode(errors="replace")
    except (OSError, ValueError) as error:
        wanted = "name a process's health port, such as http://127.0.0.1:8080/metrics"
        raise NoMetrics(f"{process.url} can't be read ({error}); {wanted}") from error
    return text


class Observer:
    """Reads all processes again and again."""

    def __init__(self, processes: Sequence[Process]) -> None:
        self.samples: list[Sample] = []
        self._processes = processes

    async def run(self) -> None:
        """Read until cancelled; a process that is away for a moment is left out."""
        while True:
            await asyncio.gather(*map(self._look, self._processes))
            await asyncio.sleep(POLL_SECONDS)

    async def _look(self, process: Process) -> None:
        clock = asyncio.get_running_loop().time
        try:
            cpu, memory = await asyncio.to_thread(read, process)
        except NoMetrics:
            return
        self.samples.append(Sample(process.name, clock(), cpu, memory))
