"""Every panel and rule, asked of a real Prometheus that scrapes pods while people speak."""

import contextlib
import re
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from asking import Asked
from faulting import until_mended
from kubectl import Json, tool
from load import Load, Speaker, speakers, speaking
from pipelines import Pipeline, translated
from progress import until
from promql import RULES
from releases import Release
from settings import Settings
from speech import Clip, breathless

from speechpipe_common.testing_prometheus import Prometheus, Target
from speechpipe_operator.testing.scraping import discovered, relabelings

SEEN_SECONDS = 420.0
COMPONENTS = ("gateway", "stt", "translation")
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


def target(pod: Json, api: str, relabelings: Sequence[Json] = (), *, honor_labels: bool = False) -> Target:
    """A pod as discovery shows it, reached through the API server."""
    namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
    ports = [port for container in pod["spec"]["containers"] for port in container.get("ports", ())]
    (health,) = (port["containerPort"] for port in ports if port.get("name") == "health")
    labels = {"namespace": namespace, "instance": name, **discovered(pod["metadata"]["labels"])}
    path = f"/api/v1/namespaces/{namespace}/pods/{name}:{health}/proxy/metrics"
    return Target(api, labels, relabelings, honor_labels, path)


@contextlib.contextmanager
def watched(pipeline: Pipeline, operator: Release, directory: Path) -> Iterator[Prometheus]:
    """A Prometheus with the rules that are shipped, that scrapes the pipeline's pods as its PodMonitor has it done, and
    the operator's as the chart's.
    """
    with api_on_loopback() as api:
        rules = relabelings(pipeline.get(), pipeline.namespace)
        pods = [pod for component in COMPONENTS for pod in pipeline.staying(component)]
        targets = [target(pod, api, rules) for pod in pods]
        targets += [target(pod, api, honor_labels=True) for pod in operator.operators()]
        scrapes = [one.config(f"pod-{number}") for number, one in enumerate(targets)]
        prometheus = Prometheus(directory, scrapes, RULES)
        prometheus.start()
        try:
            yield prometheus
        finally:
            prometheus.kill()


@pytest.mark.pipeline(spec=translated)
@pytest.mark.timeout(1200)
def test_every_panel_and_rule_has_data_under_load(
    pipeline: Pipeline,
    operator: Release,
    namespace: str,
    settings: Settings,
    clips: list[Clip],
    folder: Path,
    report: Callable[[str], None],
) -> None:
    """While people speak to pods and are translated, no query of a panel is empty or NaN, and no rule reads a series
    that nobody shows, nor tells of what is not so.
    """
    chosen = {
        "namespace": pipeline.namespace,
        "pipeline": pipeline.name,
        "operator": operator.namespace,
    }
    who = [*speakers(1, clips, target="es"), Speaker("breathless", (breathless(clips, times=2),), "es")]
    load = Load("talk", namespace, who, pipeline.url, folder)
    with watched(pipeline, operator, folder / "prometheus") as prometheus:
        asked = Asked(prometheus, chosen)
        with speaking(load, settings):
            until_mended(pipeline)  # so that this operator has written something, should it be a new one
            until(asked.all_seen, "every query to have data", SEEN_SECONDS, asked.places)
            assert asked.wrong_variables() == []
            assert asked.wrong_rules() == []
            assert asked.false_alarms() == []
            load.stop()
    report(f"{asked.count} queries had data")
