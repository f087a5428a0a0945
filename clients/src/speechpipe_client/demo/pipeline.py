"""The demo's own pipeline: on free ports, with nothing kept."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TextIO

from speechpipe_operator.components import Plan
from speechpipe_operator.local import LocalError, LocalOptions, LocalPipeline
from speechpipe_operator.plan import make_plan
from speechpipe_operator.spec import API_VERSION, KIND, SpeechPipeline

_TAIL_LINES = 30


class _FileLog:
    """Every line of every process, in a file; what a person should see meanwhile is shown."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def line(self, source: str, text: str) -> None:
        """Keep a line; show the runner's own, and downloads with their progress."""
        self._file.write(f"{source} | {text}\n")
        self._file.flush()
        if source == "up" or "%" in text:
            sys.stderr.write(f"{source}: {text}\n")


def demo_plan(*, translation: bool) -> Plan:
    """Components of the demo: defaults everywhere, and a store that forgets."""
    spec: dict[str, object] = {
        "redis": {"managed": {"persistence": "none"}},
        "gateway": {"auth": {"mode": "none"}},
        "stt": {"model": "base", "device": "cpu", "computeType": "int8"},
    }
    if translation:
        spec["translation"] = {"engine": "apertium"}
    document = {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": "demo"}, "spec": spec}
    return make_plan(SpeechPipeline.model_validate(document))


@asynccontextmanager
async def local_gateway(*, translation: bool) -> AsyncIterator[str]:
    """Run the pipeline and give the address of its gateway; when something fails, its last log lines are shown.

    Raises:
        LocalError: it could not be started.
    """
    with TemporaryDirectory(prefix="speechpipe-demo-") as folder:
        log_path = Path(folder) / "pipeline.log"
        options = LocalOptions(data_dir=Path(folder) / "data", any_port=True)
        with log_path.open("w", encoding="utf-8") as file:
            try:
                async with LocalPipeline(demo_plan(translation=translation), options, _FileLog(file)) as pipeline:
                    yield pipeline.gateway_url
            except LocalError:
                _show_tail(log_path)
                raise


def _show_tail(path: Path) -> None:
    for line in path.read_text(encoding="utf-8").splitlines()[-_TAIL_LINES:]:
        sys.stderr.write(f"{line}\n")
