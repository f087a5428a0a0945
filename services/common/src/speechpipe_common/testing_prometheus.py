"""A real Prometheus for tests: it scrapes processes on loopback, evaluates rules, and answers queries."""

import json
import math
import os
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from speechpipe_common.testing import free_port

START_SECONDS: Final = 60.0
POLL_SECONDS: Final = 0.1
SCRAPE_SECONDS: Final = 2


def prometheus_command(name: str) -> str:
    """Path of ``prometheus`` or ``promtool``: on the PATH, else in the cache, where ``make prometheus`` puts it.

    Raises:
        FileNotFoundError: it is neither here nor there.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "speechpipe" / "prometheus"
    found = shutil.which(name) or shutil.which(name, path=str(cache))
    if found is None:
        raise FileNotFoundError(f"{name} is neither on the PATH nor in {cache}: run `make prometheus`")
    return found


@dataclass(frozen=True, slots=True)
class Target:
    """Something to scrape.

    Attributes:
        address: ``host:port``.
        path: of its metrics.
        labels: of the target; those that begin with ``__`` are seen by ``relabelings`` alone.
        relabelings: as in Prometheus' ``relabel_configs``.
        honor_labels: where a series names a label of the target itself, its own value stays.
    """

    address: str
    labels: Mapping[str, str] = field(default_factory=dict)
    relabelings: Sequence[Mapping[str, Any]] = ()
    honor_labels: bool = False
    path: str = "/metrics"

    def config(self, job: str) -> dict[str, Any]:
        """Its part of Prometheus' ``scrape_configs``; ``job`` is unique."""
        return {
            "job_name": job,
            "honor_labels": self.honor_labels,
            "metrics_path": self.path,
            "static_configs": [{"targets": [self.address], "labels": dict(self.labels)}],
            "relabel_configs": [dict(rule) for rule in self.relabelings],
        }


@dataclass(frozen=True, slots=True)
class Sample:
    """One series of an answer."""

    labels: Mapping[str, str]
    value: float


class Prometheus:
    """A Prometheus process on a loopback port. Its methods block.

    Args:
        directory: for its configuration, data and log.
        scrapes: what to scrape, as in Prometheus' ``scrape_configs``.
        rules: rule files.
    """

    def __init__(self, directory: Path, scrapes: Sequence[Mapping[str, Any]], rules: Sequence[Path] = ()) -> None:
        self._directory = directory
        self._config = {
            "global": {"scrape_interval": f"{SCRAPE_SECONDS}s", "evaluation_interval": f"{SCRAPE_SECONDS}s"},
            "rule_files": [str(path.resolve()) for path in rules],
            "scrape_configs": [dict(scrape) for scrape in scrapes],
        }
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it is ready.

        Raises:
            RuntimeError: it did not come up; the message ends with its log.
        """
        self._directory.mkdir(parents=True, exist_ok=True)
        config = self._directory / "prometheus.yml"
        config.write_text(json.dumps(self._config))  # JSON is YAML
        command = [prometheus_command("prometheus"), f"--config.file={config}"]
        command += [f"--storage.tsdb.path={self._directory / 'data'}", f"--web.listen-address=127.0.0.1:{self._port}"]
        log = self._directory / "prometheus.log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(command, stdout=output, stderr=output)  # noqa: S603 - our own arguments
        deadline = time.monotonic() + START_SECONDS
        while not self._ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"Prometheus did not start:\n{log.read_text()[-4000:]}")
            time.sleep(POLL_SECONDS)

    def kill(self) -> None:
        """End it; nothing happens when it does not run."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def query(self, expr: str) -> list[Sample]:
        """The answer to a query at this moment; a number has one sample without labels.

        Raises:
            ValueError: Prometheus refuses the query; the message says why.
        """
        data = self._get("query", query=expr)
        found = [{"metric": {}, "value": data["result"]}] if data["resultType"] == "scalar" else data["result"]
        return [Sample(series["metric"], float(series["value"][1])) for series in found]

    def has_data(self, expr: str) -> bool:
        """Whether there is at least one series with a number that is one (neither NaN nor infinite)."""
        return any(math.isfinite(sample.value) for sample in self.query(expr))

    def label_values(self, label: str, selector: str) -> list[str]:
        """Values of a label among the series of a selector."""
        values: list[str] = self._get(f"label/{label}/values", **{"match[]": selector})
        return values

    def rules(self) -> list[dict[str, Any]]:
        """All rules as Prometheus sees them: ``name``, ``type``, ``query``, ``health``, ``lastError``, ``state`` …"""
        groups = self._get("rules")["groups"]
        return [rule for group in groups for rule in group["rules"]]

    def _get(self, path: str, **parameters: str) -> Any:  # noqa: ANN401 - JSON, of another shape on each path
        url = f"http://127.0.0.1:{self._port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise ValueError(f"{parameters or path}: {json.load(error).get('error')}") from error

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/-/ready", timeout=5):
                return True
        except OSError:
            return False
