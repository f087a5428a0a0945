"""The form in which a bench leaves what it measured: JSON in ``build/bench``, one file for each bench and device.

    figures = [Figure("32 waiting, under 3 s", 16.2, "x", bar=8, better="higher")]
    result = Result("stt_speed", "stt_speed.py --rounds 3", device="cpu", figures=figures)
    return publish(result)  # writes build/bench/stt_speed.json; 0, or 1 where a bar is not reached

``bench/page.py`` (the end of `make bench`) writes from these files what stands in docs/benchmarks.md between
``<!-- bench: stt_speed -->`` and ``<!-- /bench -->``, and draws the plots into docs/images. What a person has to say
about the figures stands outside of these marks. Results of ``--device cuda`` come into ``stt_speed-cuda.json`` and into
a block of their own, after that of the CPU.

A bench that prints as it goes keeps doing so; it says the figures, and ``publish`` at its end.
"""

import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from shutil import which
from typing import Literal

import msgspec
import psutil

RESULTS = Path(__file__).resolve().parents[1] / "build" / "bench"


class Figure(msgspec.Struct, frozen=True, omit_defaults=True):
    """A number that was measured, and what it should be."""

    name: str
    value: float
    unit: str = ""
    """``s``, ``ms``, ``MB``, ``x`` for a ratio; empty for a count or a share."""
    bar: float | None = None
    """Where it should be; None where nothing was promised."""
    better: Literal["lower", "higher"] = "lower"

    @property
    def holds(self) -> bool:
        """Whether the bar, if there is one, is reached."""
        if self.bar is None:
            return True
        return self.value <= self.bar if self.better == "lower" else self.value >= self.bar


class Table(msgspec.Struct, frozen=True, omit_defaults=True):
    """Cells as they are to be read, units in the heads of the columns."""

    columns: list[str]
    rows: list[list[str]]
    title: str = ""


class Line(msgspec.Struct, frozen=True):
    """A curve, by its points in order of x."""

    label: str
    points: list[tuple[float, float]]


class Plot(msgspec.Struct, frozen=True, omit_defaults=True):
    """Curves over one pair of axes; drawn to ``docs/images/<name>.png``."""

    name: str
    title: str
    x: str
    y: str
    lines: list[Line]
    log_x: bool = False
    log_y: bool = False


class Machine(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where something was measured."""

    cores: int
    processor: str
    memory_gib: float
    system: str
    load: float
    """Load average of the last minute, as the bench ended: what it made itself, and what ran beside it."""
    gpu: str = ""

    @property
    def text(self) -> str:
        """A clause for the page."""
        gpu = f", {self.gpu}" if self.gpu else ""
        return f"{self.cores} cores ({self.processor}){gpu}, {self.memory_gib:.0f} GiB, load average {self.load:.1f}"


class Result(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one run of a bench found."""

    bench: str
    """Its name, as in the page's mark: lower case and underscores."""
    command: str
    """How to get it again: the file in ``bench`` with its arguments, without folders of this machine."""
    device: Literal["cpu", "cuda"] = "cpu"
    figures: list[Figure] = []
    tables: list[Table] = []
    plots: list[Plot] = []
    notes: list[str] = []
    """Sentences that depend on what was measured."""
    machine: Machine | None = None
    """``publish`` fills it in."""
    date: str = ""
    """The day (UTC), filled in as well."""

    @property
    def key(self) -> str:
        """Name of its file and its block."""
        return self.bench if self.device == "cpu" else f"{self.bench}-{self.device}"


def publish(result: Result, folder: Path = RESULTS) -> int:
    """Leave a result for the page, name the bars that it misses, and give the number to exit with: 1 if any."""
    done = msgspec.structs.replace(
        result, machine=machine(gpu=result.device == "cuda"), date=time.strftime("%Y-%m-%d", time.gmtime())
    )
    folder.mkdir(parents=True, exist_ok=True)
    encoded = msgspec.json.format(msgspec.json.encode(done), indent=1)
    (folder / f"{result.key}.json").write_bytes(encoded + b"\n")
    missed = [figure for figure in result.figures if not figure.holds]
    for figure in missed:
        sys.stdout.write(f"missed: {figure.name}: {figure.value:g} {figure.unit}, the bar is {figure.bar:g}\n")
    return 1 if missed else 0


def read(path: Path) -> Result:
    """A result that was published.

    Raises:
        ValueError: the file is not of this form; the message names it.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Result)
    except msgspec.DecodeError as error:
        raise ValueError(f"{path} is no result of a bench ({error}): remove it, or run its bench again") from error


def machine(*, gpu: bool = False) -> Machine:
    """This machine, now."""
    return Machine(
        cores=os.cpu_count() or 1,
        processor=_processor(),
        memory_gib=round(psutil.virtual_memory().total / 2**30, 1),
        system=f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        load=round(os.getloadavg()[0], 1),
        gpu=_gpu() if gpu else "",
    )


def _processor() -> str:
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return names[0].partition(":")[2].strip() if names else platform.processor() or platform.machine()


def _gpu() -> str:
    tool = which("nvidia-smi")
    if tool is None:
        return "a GPU without nvidia-smi"
    asked = [tool, "--query-gpu=name,memory.total", "--format=csv,noheader"]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=30, check=False)  # noqa: S603 - found by us
    return done.stdout.splitlines()[0].strip() if done.stdout.strip() else "an unknown GPU"
