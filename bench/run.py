"""Runs the benches one after another, and writes the page: what `make bench` does.

    .venv/bin/python bench/run.py --speech DIR [--device cuda] [NAME ...]

A bench that misses a bar, or fails, does not keep the others from running; the sum at the end names both.
"""

import argparse
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from shared import say

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Bench:
    """A script of this folder, and what it takes."""

    name: str
    speech: bool = False
    """It plays the clips of a folder."""
    device: bool = False
    """It can use a GPU; the others are run for the CPU only."""
    arguments: tuple[str, ...] = ()


BENCHES = (
    Bench("wer", speech=True, device=True),
    Bench("stt_speed", speech=True, device=True),
    Bench("stt_curve", speech=True, device=True),
    Bench("translation_speed", device=True),
    Bench("streams", speech=True, device=True),
    Bench("redis_bytes", speech=True),
    Bench("gateway_streams"),
    Bench("gateway_memory"),
    Bench("autoscaling"),
    Bench("overlay_redraw"),
)


def command(bench: Bench, speech: Path, device: str) -> list[str]:
    """How it is called."""
    called = [sys.executable, str(HERE / f"{bench.name}.py"), *bench.arguments]
    called += ["--speech", str(speech)] if bench.speech else []
    called += ["--device", device] if bench.device else []
    return called


def run(bench: Bench, speech: Path, device: str) -> int:
    """Run one; its exit status."""
    say(f"\n== {bench.name}")
    began = time.monotonic()
    status = subprocess.run(command(bench, speech, device), check=False).returncode  # noqa: S603 - our own scripts
    say(f"== {bench.name}: {'ok' if status == 0 else f'exit status {status}'}, {time.monotonic() - began:.0f} s")
    return status


def chosen(names: list[str], device: str) -> list[Bench]:
    """The named benches, or all that the device makes a difference for.

    Raises:
        ValueError: no bench of that name.
    """
    known = {bench.name: bench for bench in BENCHES}
    for name in names:
        if name not in known:
            raise ValueError(f"no bench {name!r}; there are {', '.join(known)}")
    if names:
        return [known[name] for name in names]
    return [bench for bench in BENCHES if bench.device or device == "cpu"]


def main() -> int:
    """Run them."""
    parser = argparse.ArgumentParser(description="All benches, and the page.")
    parser.add_argument("names", nargs="*", help=f"some of {', '.join(bench.name for bench in BENCHES)}; default: all")
    parser.add_argument("--speech", type=Path, required=True, help="folder with clips and manifest.json")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    options = parser.parse_args()
    if not (options.speech / "manifest.json").exists():
        parser.error(f"no {options.speech}/manifest.json: name a folder of clips, make bench SPEECH=DIR")
    try:
        benches = chosen(options.names, options.device)
    except ValueError as error:
        parser.error(str(error))
    failed = [bench.name for bench in benches if run(bench, options.speech, options.device)]
    page = subprocess.run([sys.executable, str(HERE / "page.py")], check=False).returncode  # noqa: S603 - our own
    say(f"\nmissed a bar or failed: {', '.join(failed)}" if failed else "\nall bars are reached")
    return 1 if failed or page else 0


if __name__ == "__main__":
    sys.exit(main())
