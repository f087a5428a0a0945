"""The demo's own pipeline: on free ports, with nothing kept."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TextIO

from speechpipe_common.downloads import cache_root
from speechpipe_operator.components import Plan
from speechpipe_operator.local import LocalOptions, LocalPipeline
from speechpipe_operator.plan import make_plan
from speechpipe_operator.spec import API_VERSION, KIND, SpeechPipeline


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


def log_path() -> Path:
    """Where the output of the demo's last run is kept."""
    return cache_root() / "demo.log"


@asynccontextmanager
async def local_gateway(*, translation: bool) -> AsyncIterator[str]:
    """Run the pipeline and give the address of its gateway; everything it says goes to ``log_path``.

    Raises:
        LocalError: it could not be started.
    """
    async with quiet_pipeline(demo_plan(translation=translation), log_path()) as pipeline:
        yield pipeline.gateway_url


@asynccontextmanager
async def quiet_pipeline(plan: Plan, log: Path) -> AsyncIterator[LocalPipeline]:
    """Run a plan on free ports, and keep nothing but its log.

    Raises:
        LocalError: it could not be started.
    """
    with TemporaryDirectory(prefix="speechpipe-") as folder, log.open("w", encoding="utf-8") as file:
        options = LocalOptions(data_dir=Path(folder), any_port=True)
        async with LocalPipeline(plan, options, _FileLog(file)) as pipeline:
            yield pipeline
