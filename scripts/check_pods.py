"""Runs the suites that need a cluster, in its network: first whether it is sound, then lanes of suites side by side.

Suites in pods wait most of their time. Those of one lane come one after the other, each line of output begins with the
lane's name, and tests that would disturb the other lane take turns (e2e/cluster/turns.py).
"""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from check import KIND, PODS, REPORTS, ROOT, Check, look_again, pytest_in, run, suite, sum_up
from check_reports import second_report

GROUND = f"{KIND}/ground"
COMPOSE = "e2e/compose"
FAULTS = "faults"
SPEECH = ("captions", "dashboards", "network", "scale")
"""Files of tests that a lane has for itself; together they take about as long as the faults."""


def first() -> list[Check]:
    """What all others rely on."""
    return [of(GROUND, f"{GROUND}/test_network.py", name="network")]


def lanes() -> dict[str, list[Check]]:
    """Suites by lane. While nodes are drained in the first, the others begin with what needs none, or wait."""
    own = [in_pods(name) for name in (FAULTS, *SPEECH)]
    return {
        "faults": [of(PODS, in_pods(FAULTS), name="faults")],
        "speech": [of(PODS, *map(in_pods, SPEECH), name="speech")],
        "others": [
            pytest_in(COMPOSE, COMPOSE),
            of(GROUND, f"{GROUND}/test_teardown.py", name="teardown"),
            of(PODS, PODS, *(f"--ignore={file}" for file in own), name="others"),
        ],
    }


def in_pods(name: str) -> str:
    """A file of tests that run in pods."""
    return f"{PODS}/test_{name}.py"


def of(folder: str, *tests: str, name: str) -> Check:
    """Some tests of a folder, with a report of their own."""
    return suite(f"{folder}/{name}", sys.executable, "-m", "pytest", f"--rootdir={folder}", *tests)


class Lanes:
    """Runs lanes beside each other; ``stop`` lets nothing begin any more."""

    def __init__(self) -> None:
        self._one_line = threading.Lock()
        self._stopped = threading.Event()

    def run(self, lanes: Mapping[str, Sequence[Check]]) -> dict[Check, bool]:
        """Whether each check is well; one that was not begun is not."""
        with ThreadPoolExecutor(len(lanes)) as pool:
            running = [pool.submit(self._run_lane, lane, checks) for lane, checks in lanes.items()]
            try:
                return {check: ok for lane in running for check, ok in lane.result().items()}
            except KeyboardInterrupt:
                self._stopped.set()  # the terminal has interrupted what runs as well
                raise

    def _run_lane(self, lane: str, checks: Sequence[Check]) -> dict[Check, bool]:
        return {check: not self._stopped.is_set() and self._run(lane, check) for check in checks}

    def _run(self, lane: str, check: Check) -> bool:
        self._say(lane, f"== {check.name}")
        if check.report:
            check.report.unlink(missing_ok=True)
            second_report(check.report).unlink(missing_ok=True)
        began = time.monotonic()
        env = {**os.environ, "PYTHONUNBUFFERED": "1"}
        pipe = subprocess.PIPE
        with subprocess.Popen(check.command, cwd=ROOT, env=env, stdout=pipe, stderr=subprocess.STDOUT) as process:
            assert process.stdout is not None
            for line in process.stdout:
                self._say(lane, line.decode(errors="replace").rstrip("\n"))
        ok = process.returncode == 0
        self._say(lane, f"== {check.name}: {'ok' if ok else 'FAILED'} in {time.monotonic() - began:.0f} s")
        return ok

    def _say(self, lane: str, line: str) -> None:
        with self._one_line:
            print(f"{lane} | {line}", flush=True)


def main() -> int:
    """Run all; the number to exit with."""
    REPORTS.mkdir(parents=True, exist_ok=True)
    try:
        outcomes = {check: run(check, aside=False) for check in first()}
        outcomes |= Lanes().run(lanes())
    except KeyboardInterrupt:
        return 130
    return sum_up(look_again(outcomes))


if __name__ == "__main__":
    sys.exit(main())
