"""Metrics as Prometheus' conventions want them, and none that people are not told of."""

import subprocess

import pytest
from metrics_page import PROCESSES, processes
from prometheus_client import CollectorRegistry, generate_latest

from speechpipe_common.testing_prometheus import prometheus_command


@pytest.mark.parametrize("title", PROCESSES)
def test_names_and_units_follow_the_conventions(title: str) -> None:
    """Promtool has nothing to say of what each process shows: base units, _total on counters, help texts."""
    registry = CollectorRegistry()
    for make in PROCESSES[title]:
        make(registry)
    done = subprocess.run(
        [prometheus_command("promtool"), "check", "metrics"],
        input=generate_latest(registry),
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")


def test_durations_and_sizes_name_their_unit() -> None:
    """A histogram is of seconds or of a size, and every help text is a sentence."""
    for title, metrics in processes().items():
        for metric in metrics:
            assert metric.help.endswith("."), f"{title}: {metric.name}"
            assert metric.kind != "histogram" or metric.name.endswith(("_seconds", "_size")), metric.name
