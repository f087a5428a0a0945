"""The runner of `make e2e`."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

import check
import check_pods


def one(name: str, folder: Path, code: str) -> check.Check:
    """A check that runs some Python, in a folder that all of them share."""
    begin = f"import pathlib, time; here = pathlib.Path({str(folder)!r}); "
    return check.Check(name, (sys.executable, "-c", begin + code))


def wait_for(name: str) -> str:
    """Python that ends when a file is there."""
    return f"\nwhile not (here / {name!r}).exists(): time.sleep(0.05)"


@pytest.mark.timeout(120)
def test_lanes_go_on_side_by_side(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Each of two lanes waits for the other, so that neither would end alone; their lines tell them apart."""
    lanes = {
        "left": [one("a", tmp_path, "print('of a'); (here / 'a').touch()" + wait_for("b"))],
        "right": [one("b", tmp_path, "(here / 'b').touch()" + wait_for("a")), one("c", tmp_path, "print('of c')")],
    }
    assert {made.name: ok for made, ok in check_pods.Lanes().run(lanes).items()} == {"a": True, "b": True, "c": True}
    said = capfd.readouterr().out.splitlines()
    assert "left | of a" in said
    assert "right | of c" in said


def test_what_fails_stops_nothing(tmp_path: Path) -> None:
    """A suite after one that failed runs all the same, and only the one that failed is told of."""
    lanes = {"only": [one("bad", tmp_path, "raise SystemExit(3)"), one("good", tmp_path, "(here / 'good').touch()")]}
    assert {made.name: ok for made, ok in check_pods.Lanes().run(lanes).items()} == {"bad": False, "good": True}
    assert (tmp_path / "good").exists()


def test_every_suite_of_the_cluster_is_in_a_lane(root: Path) -> None:
    """Each test file that needs a cluster belongs to exactly one check, with a report of its own."""
    checks = [*check_pods.first(), *(made for lane in check_pods.lanes().values() for made in lane)]
    assert len({made.report for made in checks}) == len(checks)
    ran = [word for made in checks for word in made.command if word.startswith("e2e/")]
    files = {str(path.relative_to(root)) for folder in check.IN_CLUSTER for path in (root / folder).glob("test_*.py")}
    assert [file for file in files if file not in ran and str(Path(file).parent) not in ran] == []
