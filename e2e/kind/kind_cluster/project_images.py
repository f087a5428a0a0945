"""The project's own images, built while a cluster is made for them."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from kind_cluster.steps import StepError
from kind_cluster.tools import ROOT

SCRIPT = ROOT / "scripts" / "images.py"


class Building:
    """Archives, each as soon as it is built; ``made`` holds them all at the end.

    Used as a context: what still builds ends with the block.
    """

    def __init__(self, command: Sequence[str] = (sys.executable, str(SCRIPT), "archives")) -> None:
        self.made: list[Path] = []
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> "Building":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()

    def __iter__(self) -> Iterator[Path]:
        """The archives, once.

        Raises:
            StepError: one could not be built; the script has said why.
        """
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.made.append(Path(line.strip()))
            yield self.made[-1]
        if self._process.wait():
            raise StepError(f"{SCRIPT.name} could not build the images")
