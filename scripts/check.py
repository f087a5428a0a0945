"""Runs the checks of `make lint` and `make test`: every one of them, even after a failure, then says which failed.

Each member is checked by itself: its tests must not see another member's conftest, and from the repository's root
`--import-mode=importlib` would let the folder `operator` shadow the standard library's module.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from check_reports import Counts, read_counts, read_suite, second_report, tell_sum

ROOT = Path(__file__).resolve().parents[1]
REPORTS = ROOT / "build" / "reports"
HOUSE = "scripts"
"""Folder of the tools and the tests that belong to no member."""
CHART = "charts"
"""Folder of the Helm chart, what generates it, and its tests."""
FAULTS = "e2e/local"
"""Folder of the suite that breaks whole pipelines of real processes."""
SDKS = "e2e/sdk"
"""Folder of the suite that points other people's SDKs at one real pipeline."""
PAGE = "e2e/page"
"""Folder of the suite that has a browser open the gateway's page before one real pipeline."""
KIND = "e2e/kind"
"""Folder of what makes a cluster, a package with tests of its own; ``ground`` checks a cluster that runs."""
PODS = "e2e/cluster"
"""Folder of the suite that runs in pods; what it concludes from them is tested without any, in ``tests_unit``."""
LONGEST = ("operator", "services/gateway", FAULTS, "clients", CHART, PAGE, SDKS)
"""Folders whose suites take longest, begun first, so that they are not waited for when all others have ended. The first
three mostly wait, and so go together; what the faults count is disturbed least beside them."""
IN_CLUSTER = (f"{KIND}/ground", PODS, "e2e/compose")
"""Folders of the suites that need a cluster, or its Docker Engine; ``check_pods.py`` runs them."""
BENCH = "bench"
"""Folder of the measurements, and the tests of what they share."""
TOOLS = (HOUSE, BENCH, f"{CHART}/source", f"{CHART}/dashboards")
"""Folders of scripts, whose types are checked too."""
SECOND_LOOKS = 3
"""Tests of a suite that may fail and be run again: two cores are now and then somebody else's for seconds. What passes
then is told as such, at the end of all; it is a fault of the test or of the product that is still to be found."""

LENIENT = (
    "--allow-untyped-defs",
    "--allow-incomplete-defs",
    "--allow-untyped-calls",
    "--allow-untyped-decorators",
    "--allow-any-generics",
    "--no-warn-return-any",
    "--no-warn-unused-ignores",
    *(f"--disable-error-code={code}" for code in ("union-attr", "operator", "index", "arg-type")),
    "--cache-dir=.mypy_cache/tests",
)
"""For tests: signatures may be left out, and a value of the wrong kind fails the test by itself. A cache of their own,
since other options make mypy forget what it knew."""


@dataclass(frozen=True, slots=True)
class Check:
    """A command to run from the repository's root; ``report`` is the JUnit file that it leaves, if it runs tests."""

    name: str
    command: tuple[str, ...]
    report: Path | None = None
    lane: str = ""
    """Those of one lane run one after another, beside others."""


def tool(name: str) -> str:
    """Path of a console script beside the running interpreter."""
    return str(Path(sys.executable).with_name(name))


def package_of(member: str) -> str:
    """Import package of a member: the only folder under its ``src``."""
    (package,) = (folder.parent for folder in (ROOT / member / "src").glob("*/__init__.py"))
    return package.name


def present(*folders: str) -> list[str]:
    """Those of the folders that this repository has."""
    return [folder for folder in folders if (ROOT / folder).is_dir()]


def inside(member: str, pattern: str) -> list[str]:
    """What is in a member's folder under names that match, as paths from the root."""
    return sorted(str(path.relative_to(ROOT)) for path in (ROOT / member).glob(pattern))


def lint_checks(members: Sequence[str]) -> list[Check]:
    """Style over everything, types member by member, import contracts; in one lane, for mypy shares a cache."""
    mypy = (tool("mypy"), "--no-error-summary")
    lenient = (*mypy, *LENIENT)
    checks = [
        Check("ruff check", (tool("ruff"), "check", "--quiet", ".")),
        Check("ruff format", (tool("ruff"), "format", "--check", "--quiet", ".")),
        *(Check(f"mypy {member}", (*mypy, f"{member}/src")) for member in members),
        *(Check(f"mypy {tests}", (*lenient, tests)) for member in members for tests in inside(member, "tests*")),
        *(
            Check(f"mypy {folder}", (*lenient, folder))
            for folder in present(f"{CHART}/tests", FAULTS, SDKS, PAGE, f"{KIND}/tests", *IN_CLUSTER)
        ),
        *(Check(f"mypy {folder}", (*mypy, folder)) for folder in present(f"{KIND}/kind_cluster")),
        *(Check(f"mypy {folder}", (*mypy, folder)) for folder in present(*TOOLS)),
        Check("lint-imports", (tool("lint-imports"), "--no-logo", "--no-cache")),
    ]
    return [replace(check, lane="lint") for check in checks]


def suite(name: str, *command: str) -> Check:
    """One pytest run, of which a JUnit report is kept, and which tests failed."""
    report = REPORTS / f"{name.replace('/', '-')}.xml"
    cache = f"cache_dir={report.with_suffix('.cache')}"
    return Check(f"pytest {name}", (*command, "-q", "-o", cache, f"--junitxml={report}"), report)


def second_look(check: Check) -> Check | None:
    """The tests that failed in a suite, as a check of its own; None where they are too many, or none is known."""
    if check.report is None or not 1 <= read_counts(check.report).failed <= SECOND_LOOKS:
        return None
    report = second_report(check.report)
    options = ("--last-failed", "--last-failed-no-failures=none", f"--junitxml={report}")
    return replace(check, name=f"{check.name}, again", command=(*check.command, *options), report=report)


def look_again(outcomes: Mapping[Check, bool]) -> dict[Check, bool]:
    """Whether each check is well after the few tests that failed in it were run a second time, nothing beside them."""
    found = dict(outcomes)
    for check, ok in outcomes.items():
        again = None if ok else second_look(check)
        if again is not None:
            found[check] = run(again, aside=False)
    return found


def pytest_in(folder: str, tests: str, *options: str) -> Check:
    """The tests of a folder, isolated by ``--rootdir``."""
    return suite(folder, sys.executable, "-m", "pytest", f"--rootdir={folder}", tests, *options)


def coverage_of(member: str) -> tuple[str, ...]:
    """Options that have a member's suite say what it covers."""
    return f"--cov={package_of(member)}", "--cov-config=pyproject.toml", "--cov-report=term:skip-covered"


def suites(members: Sequence[str], *, covered: bool) -> list[Check]:
    """Every member's suite, with its coverage if wanted, what a member runs in an environment of its own (its
    executables ``test-*``, which hand their arguments to pytest), the house's, and the faults; the longest first.
    """
    found = [
        *(pytest_in(member, f"{member}/tests", *(coverage_of(member) if covered else ())) for member in members),
        *(suite(script, str(ROOT / script)) for member in members for script in inside(member, "test-*")),
        pytest_in(HOUSE, f"{HOUSE}/tests"),
        *(pytest_in(CHART, folder) for folder in present(f"{CHART}/tests")),
        *(pytest_in(BENCH, folder) for folder in present(f"{BENCH}/tests")),
        *(pytest_in(KIND, folder) for folder in present(f"{KIND}/tests")),
        *(pytest_in(PODS, folder) for folder in present(f"{PODS}/tests_unit")),
        *(pytest_in(folder, folder) for folder in present(SDKS, PAGE, FAULTS)),
    ]
    places = {f"pytest {folder}": place for place, folder in enumerate(LONGEST)}
    return sorted(found, key=lambda check: places.get(check.name, len(places)))


def run(check: Check, *, aside: bool) -> bool:
    """Run one check; True when it exits 0. ``aside`` keeps its output back until it has ended."""
    print(f"\n== {check.name}", flush=True)
    if check.report:
        check.report.unlink(missing_ok=True)
        second_report(check.report).unlink(missing_ok=True)
    began = time.monotonic()
    # Suites that run at the same time must not combine each other's coverage.
    data = {"COVERAGE_FILE": str(check.report.with_suffix(".coverage"))} if check.report else {}
    done = subprocess.run(
        check.command,
        cwd=ROOT,
        env={**os.environ, **data},
        stdout=subprocess.PIPE if aside else None,
        stderr=subprocess.STDOUT if aside else None,
        check=False,
    )
    ok = done.returncode == 0
    output = done.stdout.decode(errors="replace") if aside else ""
    shown = f"\n== {check.name}, its output\n{output}" if output else ""
    print(f"{shown}== {check.name}: {'ok' if ok else 'FAILED'} in {time.monotonic() - began:.0f} s", flush=True)
    return ok


def run_in_turn(checks: Sequence[Check], *, aside: bool) -> dict[Check, bool]:
    """Whether each check is well, one after another."""
    return {check: run(check, aside=aside) for check in checks}


def run_side_by_side(checks: Sequence[Check], jobs: int) -> dict[Check, bool]:
    """Whether each check is well, ``jobs`` lanes at a time."""
    lanes: dict[str, list[Check]] = {}
    for check in checks:
        lanes.setdefault(check.lane or check.name, []).append(check)
    outcomes: dict[Check, bool] = {}
    with ThreadPoolExecutor(jobs) as pool:
        for found in pool.map(partial(run_in_turn, aside=jobs > 1), lanes.values()):
            outcomes |= found
    return outcomes


def run_all(checks: Sequence[Check], jobs: int = 1) -> int:
    """Run every check, then sum up; the number to exit with."""
    return sum_up(look_again(run_side_by_side(checks, jobs)))


def sum_up(outcomes: Mapping[Check, bool]) -> int:
    """Print which checks failed, and the sum of their tests; the number to exit with."""
    failed = [check.name for check, ok in outcomes.items() if not ok]
    total = Counts()
    for check, ok in outcomes.items():
        if check.report:
            counts = read_suite(check.report)
            total += counts if ok or counts.failed else counts + Counts(failed=1)
    print(f"\n== failed: {', '.join(failed)}" if failed else "\n== every check passed")
    if any(check.report for check in outcomes):
        print(total)
    return 1 if failed else 0


def main() -> int:
    """Read the command line and run what it names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lint", action="store_true", help="style, types and import contracts")
    parser.add_argument("--test", action="store_true", help="the suite of every member, and the house's own")
    parser.add_argument("--coverage", action="store_true", help="say what each member's suite covers; takes longer")
    parser.add_argument("--jobs", type=int, default=3, help="suites at a time; they mostly wait for processes (3)")
    parser.add_argument("--sum", action="store_true", help="only say what failed in all suites that ran, and their sum")
    parser.add_argument("members", nargs="*", help="folders with a pyproject.toml, a src and tests")
    given = parser.parse_args()
    REPORTS.mkdir(parents=True, exist_ok=True)
    if given.sum:
        return tell_sum(REPORTS)
    # What a shell starts in the background has SIGINT ignored, and so would all that tests start and interrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    checks = suites(given.members, covered=given.coverage) if given.test else []
    # Behind the longest suites, which begin at once, and before all others.
    checks[len(LONGEST) : len(LONGEST)] = lint_checks(given.members) if given.lint else []
    return run_all(checks, given.jobs)


if __name__ == "__main__":
    sys.exit(main())
