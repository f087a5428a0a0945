"""What pods tell Prometheus."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from kubectl import apply, delete, execute
from load import Load, speakers
from pipelines import Pipeline, translated
from pods import plain_pod, until_running
from prometheus_client.parser import text_string_to_metric_families
from releases import Release
from settings import Settings
from speech import Clip

pytestmark = [pytest.mark.pipeline(spec=translated), pytest.mark.timeout(900)]

FETCH = "import sys, urllib.request; sys.stdout.write(urllib.request.urlopen(sys.argv[1], timeout=20).read().decode())"
HEALTH_PORTS = {"gateway": 8080, "stt": 8081, "translation": 8082}

Series = dict[str, list[dict[str, str]]]


@pytest.fixture(scope="module")
def scraper(namespace: str, settings: Settings) -> Iterator[str]:
    """A pod that can fetch pages; its name."""
    command = ("python", "-c", "import signal; signal.pause()")
    apply(plain_pod("scraper", namespace, settings.image("client"), command))
    until_running("scraper", namespace)
    yield "scraper"
    delete("pod", "scraper", namespace=namespace, wait=False)


def scraped(scraper: str, namespace: str, address: str) -> Series:
    """Labels of every sample with a value above 0, by the sample's name."""
    text = execute(scraper, namespace, "python", "-c", FETCH, f"http://{address}/metrics")
    found: Series = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.value > 0:
                found.setdefault(sample.name, []).append(dict(sample.labels))
    return found


def test_every_pod_counts_what_went_through(
    pipeline: Pipeline, scraper: str, namespace: str, settings: Settings, clips: list[Clip], folder: Path
) -> None:
    """After speech with translation each component's /metrics shows its work, by stream where there are several."""
    load = Load("talk", namespace, speakers(1, clips[:2], target="es"), pipeline.url, folder)
    load.start(settings, once=True)
    load.judged(load.end())
    pages = {
        component: scraped(scraper, namespace, f"{pod['status']['podIP']}:{port}")
        for component, port in HEALTH_PORTS.items()
        for pod in pipeline.staying(component)
    }
    for component, page in pages.items():
        assert "speechpipe_redis_up" in page, f"{component}: {sorted(page)}"
        assert "process_resident_memory_bytes" in page, component
    settled = {labels["stream"] for labels in pages["stt"]["speechpipe_jobs_settled_total"]}
    assert "audio_jobs" in settled
    assert {"stream": "transcriptions"}.items() <= pages["translation"]["speechpipe_jobs_claimed_total"][0].items()
    assert "speechpipe_worker_busy_seconds_total" in pages["stt"]


def test_the_operator_counts_by_pipeline(
    pipeline: Pipeline, scraper: str, namespace: str, operator: Release, settings: Settings
) -> None:
    """The operator's /metrics names the pipelines that it knows and says that it holds the lease."""
    (pod,) = operator.operators()
    page = scraped(scraper, namespace, f"{pod['status']['podIP']}:8080")
    assert {"state": "active"} in page["speechpipe_operator_lease_state"]
    assert "speechpipe_operator_reconciles_total" in page
    ready = {"namespace": pipeline.namespace, "pipeline": pipeline.name, "component": "stt"}
    assert ready in page["speechpipe_operator_ready_replicas"]
