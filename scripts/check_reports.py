"""What pytest wrote down about a suite, as JUnit has it: how many tests ended how, and what failed."""

import xml.etree.ElementTree as ET
from dataclasses import astuple, dataclass
from pathlib import Path

FAILURE_LINES = 40
"""Of each failure, in the summary of all of them."""


@dataclass(frozen=True, slots=True)
class Counts:
    """How many tests ended how."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    late: int = 0
    """Of those that passed, how many only when run again."""

    def __add__(self, other: "Counts") -> "Counts":
        """Sum by outcome."""
        mine, others = astuple(self), astuple(other)
        return Counts(*(left + right for left, right in zip(mine, others, strict=True)))

    def __str__(self) -> str:
        """As a test runner closes."""
        late = f" ({self.late} of them at the second try)" if self.late else ""
        return f"{self.passed} passed{late}, {self.failed} failed, {self.skipped} skipped"


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


def second_report(report: Path) -> Path:
    """Where the report lies of those tests of a suite that were run again."""
    return report.with_suffix(f".again{report.suffix}")


def read_suite(report: Path) -> Counts:
    """Totals of a suite: what failed at first and passed when it was run again has passed, late."""
    first, again = read_counts(report), read_counts(second_report(report))
    late = min(first.failed, again.passed)
    return first + Counts(passed=late, failed=-late, late=late)


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
    reports = [report for report in sorted(folder.glob("*.xml")) if not report.stem.endswith(".again")]
    for report in reports:
        mended = " (passed when run again)" if read_suite(report).late else ""
        for text in read_failures(report):
            print(f"\n== {report.stem}{mended}: {text}")
    total = sum((read_suite(report) for report in reports), Counts())
    print(total)
    return 1 if total.failed else 0
