"""The runner of `make lint` and `make test`."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PASSES = "def test_it():\n    assert True\n"
FAILS = "def test_it():\n    assert False\n"
SKIPS = "import pytest\n\n@pytest.mark.skip\ndef test_it():\n    pass\n"
LATE = """from pathlib import Path

def test_it():
    if not Path("seen").exists():
        Path("seen").touch()
        raise ValueError("odd")
"""
BROKEN = "import no_such_module\n"


@pytest.fixture
def house(tmp_path: Path, root: Path) -> Path:
    """A repository with the runner and no member yet."""
    (tmp_path / "scripts").mkdir()
    for name in ("check.py", "check_reports.py"):
        shutil.copy(root / "scripts" / name, tmp_path / "scripts")
    shutil.copy(root / "pyproject.toml", tmp_path)
    add_member(tmp_path, "scripts", PASSES)
    return tmp_path


def add_member(house: Path, name: str, test: str) -> None:
    """A member with one test file."""
    package = house / name / "src" / f"made_up_{name}"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text('"""Nothing."""\n')
    (house / name / "tests").mkdir()
    (house / name / "tests" / "test_it.py").write_text(test)


def check(house: Path, *members: str) -> subprocess.CompletedProcess[str]:
    """Run the suites of the made-up members."""
    command = [sys.executable, str(house / "scripts" / "check.py"), "--test", *members]
    return subprocess.run(command, cwd=house, capture_output=True, text=True, check=False)


def test_all_suites_run_after_a_failure(house: Path) -> None:
    """A failing member neither hides nor stops the others, and the sum and the exit status tell of it."""
    for name, test in {"first": FAILS, "second": PASSES, "third": SKIPS}.items():
        add_member(house, name, test)
    done = check(house, "first", "second", "third")
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == "2 passed, 1 failed, 1 skipped"
    assert "== failed: pytest first\n" in done.stdout


def test_coverage_is_told_where_it_is_asked_for(house: Path) -> None:
    """Only `--coverage` has a suite measured, which takes its time."""
    add_member(house, "first", "import made_up_first\n" + PASSES)
    (house / "first" / "src" / "made_up_first" / "__init__.py").write_text("VALUE = 1\n")
    (house / "first" / "tests" / "conftest.py").write_text(
        "import sys\nfrom pathlib import Path\nsys.path.insert(0, str(Path(__file__).parents[1] / 'src'))\n"
    )
    assert "TOTAL" not in check(house, "first").stdout
    assert "TOTAL" in check(house, "--coverage", "first").stdout


def test_a_suite_that_cannot_be_collected_fails(house: Path) -> None:
    """A test file that does not import counts as a failure, not as no tests."""
    add_member(house, "first", BROKEN)
    done = check(house, "first")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (1, "1 passed, 1 failed, 0 skipped")


def test_a_member_without_tests_fails(house: Path) -> None:
    """A member whose tests have all gone is noticed."""
    add_member(house, "first", "")
    done = check(house, "first")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (1, "1 passed, 1 failed, 0 skipped")
    assert "== failed: pytest first\n" in done.stdout


def test_green_suites_exit_with_zero(house: Path) -> None:
    """Where everything passes, the runner says so and exits 0."""
    add_member(house, "first", PASSES)
    done = check(house, "first")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "2 passed, 0 failed, 0 skipped")


def test_a_suite_with_an_environment_of_its_own_counts(house: Path) -> None:
    """What a member's `test-*` script runs is part of the sum."""
    add_member(house, "first", PASSES)
    (house / "first" / "tests_apart").mkdir()
    (house / "first" / "tests_apart" / "test_it.py").write_text(FAILS)
    script = house / "first" / "test-apart"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m pytest first/tests_apart "$@"\n')
    script.chmod(0o755)
    done = check(house, "first")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (1, "2 passed, 1 failed, 0 skipped")
    assert "== failed: pytest first/test-apart\n" in done.stdout


def test_failures_are_told_once_more(house: Path) -> None:
    """After the suites have run, what failed can be printed again by name, with what it said."""
    add_member(house, "first", FAILS)
    add_member(house, "second", PASSES)
    check(house, "first", "second")
    command = [sys.executable, str(house / "scripts" / "check.py"), "--sum"]
    told = subprocess.run(command, cwd=house, capture_output=True, text=True, check=False)
    assert told.returncode == 1
    assert "test_it::test_it (failure" in told.stdout
    assert "assert False" in told.stdout
    assert "second" not in told.stdout
    assert told.stdout.splitlines()[-1] == "2 passed, 1 failed, 0 skipped"


def test_a_test_that_passes_at_the_second_try_is_told(house: Path) -> None:
    """Few failures are run again; one that passes then does not fail the run, but is named with what it said, and the
    sum counts it apart.
    """
    add_member(house, "first", LATE)
    add_member(house, "second", FAILS)
    done = check(house, "first")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (
        0,
        "2 passed (1 of them at the second try), 0 failed, 0 skipped",
    )
    command = [sys.executable, str(house / "scripts" / "check.py"), "--sum"]
    told = subprocess.run(command, cwd=house, capture_output=True, text=True, check=False)
    assert told.returncode == 0
    assert "== first (passed when run again): " in told.stdout
    assert "odd" in told.stdout
    done = check(house, "second")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (1, "1 passed, 1 failed, 0 skipped")


def test_many_failures_are_not_run_again(house: Path) -> None:
    """Where more fail than a busy machine explains, nothing is looked at a second time."""
    many = "import pytest\n\n@pytest.mark.parametrize('number', range(4))\ndef test_it(number):\n    assert False\n"
    add_member(house, "first", many)
    done = check(house, "first")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (1, "1 passed, 4 failed, 0 skipped")
    assert "again" not in done.stdout
