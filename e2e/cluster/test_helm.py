"""The chart's life: install, test, upgrade, rollback, uninstall, with real pods."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from conftest import restricted, space_name
from faulting import uids
from kubectl import Json, apply, delete, find, get, items, kubectl, patch
from load import Load, speakers, speaking
from nursery import following, name_for
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


@dataclass
class Installs:
    """Makes a release for each test, with a pipeline on an unused volume, while the test before it runs."""

    settings: Settings
    volumes: Volumes
    node: str
    items: Sequence[pytest.Item]
    pool: ThreadPoolExecutor
    _begun: dict[str, tuple[Release, Future[str]]] = field(default_factory=dict)

    def begin(self, item: pytest.Item) -> tuple[Release, Future[str]]:
        """Install the release of a test, unless that has begun; it is not waited for."""
        if item.nodeid not in self._begun:
            name = name_for(item, self.items)
            namespace = space_name(self.settings, name)
            apply(restricted(namespace, self.settings.run))
            self.volumes.make(namespace, claim(PIPELINE), self.node)
            spec: Any = document(PIPELINE, namespace, self.settings, self.volumes.storage_class)["spec"]
            # Names of their own: what a release has cluster-wide is called after it.
            made = Release(name, namespace, values(self.settings, [namespace], pipelines={PIPELINE: {"spec": spec}}))
            self._begun[item.nodeid] = made, self.pool.submit(made.install)
        return self._begun[item.nodeid]

    def take(self, item: pytest.Item) -> Release:
        """The release of a test, its pipeline whole; that of the test after it is begun."""
        release, installing = self.begin(item)
        installing.result()
        Pipeline(PIPELINE, release.namespace).until_healthy()
        follows = following(item, self.items)
        if follows is not None and follows.path == item.path:
            self.begin(follows)
        return release


@pytest.fixture(scope="module")
def installs(
    request: pytest.FixtureRequest, settings: Settings, volumes: Volumes, nodes: list[str]
) -> Iterator[Installs]:
    """Where tests get their releases from."""
    with ThreadPoolExecutor(1) as pool:
        yield Installs(settings, volumes, nodes[0], request.session.items, pool)


@pytest.fixture
def release(request: pytest.FixtureRequest, installs: Installs) -> Iterator[Release]:
    """The release that this test has for itself, with a pipeline that is whole."""
    made = installs.take(request.node)
    yield made
    made.uninstall(wait=False)
    delete("namespace", made.namespace, wait=False)


@pytest.fixture
def pipeline(release: Release) -> Pipeline:
    """The release's."""
    return Pipeline(PIPELINE, release.namespace)


def test_helm_test_sends_speech(release: Release, report: Callable[[str], None]) -> None:
    """After an install with a pipeline among the values, `helm test` hears its own speech come back as text."""
    said = release.test()
    report(said.strip().splitlines()[-1])
    assert "Succeeded" in said


def test_uninstalling_leaves_the_definition_and_the_volumes(
    release: Release, pipeline: Pipeline, report: Callable[[str], None]
) -> None:
    """What is left after `helm uninstall` is the definition and the pipeline's claim with its volume; a new install
    takes them up.
    """
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
    release.install()
    pipeline.until_healthy()
    assert get("pvc", claim(PIPELINE), release.namespace)["metadata"]["uid"] == held


def suites_own(found: list[str]) -> set[str]:
    """What the suite itself has put there."""
    return {name for name in found if name.partition("/")[2].startswith("e2e-") or name.startswith("pod/load")}


def test_an_upgrade_and_a_rollback_change_no_pod_of_a_pipeline(
    release: Release,
    pipeline: Pipeline,
    settings: Settings,
    clips: list[Clip],
    folder: Path,
    report: Callable[[str], None],
) -> None:
    """Upgrading and rolling back replaces the operator and brings the definition up to date, while people speak; the
    pipeline's pods are the same ones as before, and nothing is lost.
    """
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
