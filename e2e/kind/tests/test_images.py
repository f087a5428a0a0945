"""Images that are built while a cluster is made."""

import sys
from pathlib import Path

import pytest
from kind_cluster.project_images import Building
from kind_cluster.steps import StepError

SLOW = "import sys, time; print('/a.tar', flush=True); time.sleep(1000)"


def test_each_archive_comes_as_soon_as_it_is_there_and_what_still_builds_ends_with_the_block() -> None:
    """The first is had while the next is still being built, and leaving does not wait for that one."""
    with Building((sys.executable, "-c", SLOW)) as building:
        assert next(iter(building)) == Path("/a.tar")
    assert building.made == [Path("/a.tar")]


def test_an_image_that_cannot_be_built_is_an_error() -> None:
    """Those before it are had, then the builder's failure is told."""
    with Building((sys.executable, "-c", "print('/a.tar'); raise SystemExit(1)")) as building:
        with pytest.raises(StepError, match="could not build"):
            list(building)
        assert building.made == [Path("/a.tar")]
