"""Every panel and rule, asked of a real Prometheus that scrapes pods while people speak."""

import contextlib
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from asking import Asked
from kubectl import Json, tool
from load import Load, Speaker, speakers, speaking
from pipelines import Pipeline
from progress import until
from promql import RULES
from releases import OPERATOR, Release
from settings import Settings
from speech import Clip, breathless

from speechpipe_common.testing_prometheus import Prometheus
from speechpipe_operator.testing.scraping import relabelings

SEEN_SECONDS = 420.0
_SERVING = re.compile(r"Starting to serve on (127\.0\.0\.1:\d+)")


@contextlib.contextmanager
def api_on_loopback() -> Iterator[str]:
    """``host:port`` of the API server without its encryption and login: kubectl does both, whatever they are."""
    command = (tool("kubectl"), "proxy", "--port=0")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as proxy:
        try:
            assert proxy.stdout is not None
            said = proxy.stdout.readline()
            found = _SERVING.search(said)
            assert found, f"kubectl proxy said {said!r}"
            yield found[1]
        finally:
            proxy.kill()


def scrape(job: str, api: str, namespace: str, pod_label: tuple[str, str], more: list[dict[str, Any]]) -> Json:
    """Pods of a namespace whose label matches, found by discovery and reached through the API server."""
    meta = f"__meta_kubernetes_pod_label_{re.sub(r'[^a-zA-Z0-9_]', '_', pod_label[0])}"
    pod, port = "__meta_kubernetes_pod_name", "__meta_kubernetes_pod_container_port_number"
    path = f"/api/v1/namespaces/{namespace}/pods/$1:$2/proxy/metrics"
    return {
        "job_name": job,
        "kubernetes_sd_configs": [
            {"role": "pod", "api_server": f"http://{api}", "namespaces": {"names": [namespace]}},
        ],
        "relabel_configs": [
            {"source_labels": [meta], "regex": pod_label[1], "action": "keep"},
            {"source_labels": ["__meta_kubernetes_pod_container_port_name"], "regex": "health", "action": "keep"},
            {"source_labels": ["__meta_kubernetes_namespace"], "target_label": "namespace"},
            {"source_labels": [pod], "target_label": "instance"},
            {
                "source_labels": [pod, port],
                "separator": ":",
                "regex": "(.+):(.+)",
                "replacement": path,
                "target_label": "__metrics_path__",
            },
            {"target_label": "__address__", "replacement": api},
            *more,
        ],
    }


@contextlib.contextmanager
def watched(pipeline: Pipeline, operator: Release, directory: Path) -> Iterator[Prometheus]:
    """A Prometheus with the rules that are shipped, that scrapes the pipeline's pods as its PodMonitor has it done, and
    the operator's as the chart's.
    """
    with api_on_loopback() as api:
        rules = relabelings(pipeline.get(), pipeline.namespace)
        components = ("speechpipe.dev/component", "gateway|stt|translation")
        pods = scrape("pipeline", api, pipeline.namespace, components, rules)
        of_operator = scrape("operator", api, operator.namespace, tuple(OPERATOR.split("=")), [])
        prometheus = Prometheus(directory, [pods, of_operator | {"honor_labels": True}], RULES)
        prometheus.start()
        try:
            yield prometheus
        finally:
            prometheus.kill()


@pytest.mark.timeout(1200)
def test_every_panel_and_rule_has_data_under_load(
    standing: Pipeline,
    operator: Release,
    namespace: str,
    settings: Settings,
    clips: list[Clip],
    folder: Path,
    report: Callable[[str], None],
) -> None:
    """While people speak to pods and are translated, no query of a panel is empty or NaN, and no rule reads a series
    that nobody shows.
    """
    chosen = {
        "namespace": standing.namespace,
        "pipeline": standing.name,
        "operator": operator.namespace,
    }
    who = [*speakers(1, clips, target="es"), Speaker("breathless", (breathless(clips, times=2),), "es")]
    load = Load("talk", namespace, who, standing.url, folder)
    with watched(standing, operator, folder / "prometheus") as prometheus:
        asked = Asked(prometheus, chosen)
        with speaking(load, settings):
            until(asked.all_seen, "every query to have data", SEEN_SECONDS, asked.places)
            assert asked.wrong_variables() == []
            assert asked.wrong_rules() == []
            load.stop()
    report(f"{asked.count} queries had data")
