"""What `make bench` runs."""

from pathlib import Path

import pytest
import run
from page import ROOT, mark


def test_every_bench_has_its_script_and_its_place() -> None:
    """Each bench that is run is a script here, and the page has a mark for what it finds."""
    page = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    for bench in run.BENCHES:
        assert (run.HERE / f"{bench.name}.py").exists()
        assert mark(bench.name) in page


def test_a_gpu_is_asked_only_what_it_changes() -> None:
    """With a GPU the benches that know devices are run, and any that is named; an unknown one is refused."""
    assert {bench.device for bench in run.chosen([], "cuda")} == {True}
    assert run.chosen([], "cpu") == list(run.BENCHES)
    assert [bench.name for bench in run.chosen(["autoscaling"], "cuda")] == ["autoscaling"]
    with pytest.raises(ValueError, match="no bench 'werr'; there are wer"):
        run.chosen(["werr"], "cpu")


def test_a_bench_is_told_what_it_takes() -> None:
    """Speech and device are handed to those that take them, and to no others."""
    wer, memory = (next(each for each in run.BENCHES if each.name == name) for name in ("wer", "gateway_memory"))
    assert run.command(wer, Path("clips"), "cuda")[2:] == ["--speech", "clips", "--device", "cuda"]
    assert run.command(memory, Path("clips"), "cuda")[2:] == []
