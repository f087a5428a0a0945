"""What pytest wrote down about a suite, as JUnit has it: how many tests ended how, and what failed."""

import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

FAILURE_LINES = 40
"""Of each failure, in the summary of all of them."""


@dataclass(frozen=True, slots=True)
class Counts:
    """How many tests ended how."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        """Sum by outcome."""
        return Counts(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)

    def __str__(self) -> str:
        """As a test runner closes."""
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def read_counts(report: Path) -> Counts:
    """Totals of a JUnit report; nothing where the runner died before it wrote one."""
    if not report.exists():
        return Counts()
    passed = failed = skipped = 0
    for suite in ET.parse(report).iter("testsuite"):  # noqa: S314 - written by our own pytest
        bad = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        ignored = int(suite.get("skipped", 0))
        passed += int(suite.get("tests", 0)) - bad - ignored
        failed += bad
        skipped += ignored
    return Counts(passed, failed, skipped)


def read_failures(report: Path) -> list[str]:
    """What failed in a JUnit report: the test's name, and the end of what it said."""
    told = []
    for case in ET.parse(report).iter("testcase"):  # noqa: S314 - written by our own pytest
        for kind in ("failure", "error"):
            for found in case.iter(kind):
                lines = (found.text or found.get("message") or "").strip().splitlines()
                cut = ["..."] if len(lines) > FAILURE_LINES else []
                name = f"{case.get('classname')}::{case.get('name')} ({kind}, {float(case.get('time', 0)):.0f} s)"
                told.append("\n".join([name, *(f"    {line[:300]}" for line in cut + lines[-FAILURE_LINES:])]))
    return told


def tell_sum(folder: Path) -> int:
    """Print every failure that a folder's reports hold, then the sum of all suites; 1 if anything failed."""
    reports = sorted(folder.glob("*.xml"))
    for report in reports:
        for text in read_failures(report):
            print(f"\n== {report.stem}: {text}")
    total = sum((read_counts(report) for report in reports), Counts())
    print(total)
    return 1 if total.failed else 0
