"""From what a bench leaves to what stands on the page."""

from pathlib import Path

import page
import pytest
from results import Figure, Line, Plot, Result, Table, publish, read

PAGE = """# Benchmarks

## Speed

Before.

<!-- bench: speed -->
<!-- /bench -->

After.

## Other

<!-- bench: other -->
old
<!-- /bench -->
"""


def result(device: str = "cpu", value: float = 2.0) -> Result:
    """One figure with a bar, a table and a plot."""
    return Result(
        bench="speed",
        command="speed.py --rounds 3",
        device="cuda" if device == "cuda" else "cpu",
        figures=[Figure("ratio", value, "x", bar=4.0, better="higher")],
        tables=[Table(["a", "b"], [["1", "2"]])],
        plots=[Plot("curve", "A curve", "streams", "s", [Line("ours", [(1.0, 2.0), (2.0, 3.0)])])],
        notes=["It was quick."],
    )


def test_a_result_is_read_back_with_its_machine(tmp_path: Path) -> None:
    """What is published has the machine and the day in it, and names what was missed by its exit status."""
    assert publish(result(), tmp_path) == 1
    assert publish(result(value=5.0), tmp_path) == 0
    found = read(tmp_path / "speed.json")
    assert found.figures == result(value=5.0).figures
    assert found.machine is not None
    assert found.machine.cores >= 1
    assert found.date


def test_a_file_of_another_form_is_named(tmp_path: Path) -> None:
    """A file that no bench has left is an error with its name."""
    (tmp_path / "x.json").write_text("[]")
    with pytest.raises(ValueError, match=r"x\.json is no result"):
        read(tmp_path / "x.json")


def test_a_result_takes_the_place_of_the_last_one() -> None:
    """Only what stands between the marks changes, however often it is written."""
    once = page.place(PAGE, result(value=3.0))
    twice = page.place(once, result())
    assert "| ratio | 2 x | ≥ 4 x, **missed** |" in twice
    assert "3 x" not in twice
    assert "![A curve](images/bench-curve.png)" in twice
    begin, end = twice.index("<!-- bench: speed -->"), twice.index("<!-- /bench -->")
    assert twice[:begin] + twice[end:] == PAGE[:begin] + PAGE[PAGE.index("<!-- /bench -->") :]


def test_a_gpus_figures_stand_beside_the_cpus() -> None:
    """A result of another device gets a block of its own after the CPU's, and then keeps it."""
    both = page.place(page.place(PAGE, result()), result("cuda"))
    assert both.index("<!-- bench: speed -->") < both.index("<!-- bench: speed-cuda -->") < both.index("After.")
    assert "bench-curve-cuda.png" in both
    assert page.place(both, result("cuda")) == both


def test_a_result_without_a_place_is_refused() -> None:
    """A bench that nobody has made room for is named, with what to write."""
    with pytest.raises(page.NoPlace, match="<!-- bench: speed -->"):
        page.place("# Nothing\n", result())


def test_a_plot_is_drawn(tmp_path: Path) -> None:
    """The picture of a plot is a PNG, the same for the same figures."""
    for name in ("one.png", "two.png"):
        page.draw(result().plots[0], tmp_path / name)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    assert (tmp_path / "one.png").read_bytes().startswith(b"\x89PNG")
