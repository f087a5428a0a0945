"""The chart's life: install, test, upgrade, rollback, uninstall, with real pods."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import restricted, space_name
from faulting import uids
from kubectl import Json, apply, delete, find, get, items, kubectl, patch
from load import Load, speakers, speaking
from pipelines import Pipeline, claim, document
from progress import until
from releases import Release, values
from settings import Settings
from speech import Clip
from states import names
from volumes import Volumes

pytestmark = pytest.mark.timeout(1800)

CRD = "speechpipelines.speechpipe.dev"
PIPELINE = "captions"
GONE_SECONDS = 180.0
CLUSTER_WIDE = "clusterroles,clusterrolebindings"
LEFT = "all,configmaps,secrets,serviceaccounts,roles,rolebindings,networkpolicies,pdb,leases,pvc,sp"
OF_EVERY_NAMESPACE = {"configmap/kube-root-ca.crt", "serviceaccount/default"}


@pytest.fixture(scope="module")
def release(settings: Settings, volumes: Volumes, nodes: list[str]) -> Iterator[Release]:
    """A release with a pipeline; a test that wants it calls ``installed``."""
    namespace = space_name(settings, "helm")
    apply(restricted(namespace, settings.run))
    volumes.make(namespace, claim(PIPELINE), nodes[0])
    spec: Any = document(PIPELINE, namespace, settings, volumes.storage_class)["spec"]
    made = Release("speech", namespace, values(settings, [namespace], pipelines={PIPELINE: {"spec": spec}}))
    yield made
    made.uninstall()
    delete("namespace", namespace, wait=False)


def installed(release: Release) -> Pipeline:
    """Install the release unless it is there; its pipeline, whole."""
    if not release.operators():
        release.install()
    pipeline = Pipeline(PIPELINE, release.namespace)
    pipeline.until_healthy()
    return pipeline


def test_helm_test_sends_speech(release: Release, report: Callable[[str], None]) -> None:
    """After an install with a pipeline among the values, `helm test` hears its own speech come back as text."""
    installed(release)
    said = release.test()
    report(said.strip().splitlines()[-1])
    assert "Succeeded" in said


def test_an_upgrade_and_a_rollback_change_no_pod_of_a_pipeline(
    release: Release, settings: Settings, clips: list[Clip], folder: Path, report: Callable[[str], None]
) -> None:
    """Upgrading and rolling back replaces the operator and brings the definition up to date, while people speak; the
    pipeline's pods are the same ones as before, and nothing is lost.
    """
    pipeline = installed(release)
    pods, first = uids(pipeline.staying()), release.revision()
    pilots = [uids(release.operators())]
    load = Load("load", release.namespace, speakers(1, clips), pipeline.url, folder)
    told = {"settings": {"logLevel": "debug"}}
    with speaking(load, settings):
        for change in (lambda: release.upgrade(operator=told), lambda: release.rollback(first)):
            load.hear()
            age_definition()
            change()
            assert not is_aged(), "the hook has not brought the definition up to date"
            until(lambda: len(release.operators()) == 1, "the old operator to go", GONE_SECONDS)
            pilots.append(uids(release.operators()))
            pipeline.until_healthy()
            load.hear()
        figures = load.judged(load.stop())
    report(f"operator replaced {len(pilots) - 1} times; {figures}")
    assert not pilots[0] & pilots[1]
    assert not pilots[1] & pilots[2]
    assert uids(pipeline.staying()) == pods
    assert not any(state["restartCount"] for pod in pipeline.pods() for state in pod["status"]["containerStatuses"])
    assert figures.clean, figures


def age_definition() -> None:
    """Make the cluster's definition one of an older version: without its short name."""
    patch("crd", CRD, {"spec": {"names": {"shortNames": []}}})
    assert is_aged()


def is_aged() -> bool:
    """Whether it still is."""
    return not get("crd", CRD)["spec"]["names"].get("shortNames")


def test_uninstalling_leaves_the_definition_and_the_volumes(release: Release, report: Callable[[str], None]) -> None:
    """What is left after `helm uninstall` is the definition and the pipeline's claim with its volume; a new install
    takes them up.
    """
    installed(release)
    held = get("pvc", claim(PIPELINE), release.namespace)["metadata"]["uid"]
    release.uninstall()

    def left() -> set[str]:
        found = kubectl("get", LEFT, "-n", release.namespace, "-o", "name").split()
        return {name for name in found if name not in OF_EVERY_NAMESPACE} - suites_own(found)

    only = {f"persistentvolumeclaim/{claim(PIPELINE)}"}
    until(lambda: left() == only, "everything but the volume to go", GONE_SECONDS, left)
    wide: list[Json] = [item for item in items(CLUSTER_WIDE) if release.namespace in str(item)]
    report(f"left: {', '.join(sorted(left()))}, and the definition")
    assert names(wide) == []
    assert find("crd", CRD) is not None
    assert get("pvc", claim(PIPELINE), release.namespace)["metadata"]["uid"] == held
    installed(release)
    assert get("pvc", claim(PIPELINE), release.namespace)["metadata"]["uid"] == held


def suites_own(found: list[str]) -> set[str]:
    """What the suite itself has put there."""
    return {name for name in found if name.partition("/")[2].startswith("e2e-") or name.startswith("pod/load")}
