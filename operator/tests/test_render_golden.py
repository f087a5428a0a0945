"""Whole pipelines against golden files; ``UPDATE_GOLDEN=1 pytest`` writes them: read the difference."""

import copy
import os
import re
from collections.abc import Iterator

import pytest
from render_support import GOLDEN, NAMES, as_yaml, component_of, golden, pod_spec, rendered
from restricted import violations

from speechpipe_operator.objects import COMPONENT_LABEL, PIPELINE_LABEL, Object
from speechpipe_operator.plan import make_plan

LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")

everywhere = pytest.mark.parametrize("name", NAMES)


@everywhere
def test_objects_are_the_golden_ones(name: str) -> None:
    """Each pipeline gives exactly the objects of its golden file."""
    file = GOLDEN / name / "objects.yaml"
    text = as_yaml(rendered(golden(name)))
    if os.environ.get("UPDATE_GOLDEN"):
        file.write_text(text)
    assert text == file.read_text()


@everywhere
def test_rendering_changes_nothing_and_is_always_the_same(name: str) -> None:
    """The same pipeline gives the same objects, in the same order, whatever was rendered or done to them before."""
    pipeline = golden(name)
    first = rendered(pipeline)
    kept = copy.deepcopy(first)
    for obj in first:
        _spoil(obj)
    assert as_yaml(rendered(pipeline)) == as_yaml(kept)


@everywhere
def test_every_object_is_ours(name: str) -> None:
    """Pipeline and component labels, namespace and owner are on every object, and no two have a name in common."""
    pipeline = golden(name)
    objects = rendered(pipeline)
    known = {component.name for component in make_plan(pipeline).components} | {"pipeline"}
    for obj in objects:
        metadata = obj["metadata"]
        assert metadata["labels"][PIPELINE_LABEL] == pipeline.metadata.name
        assert metadata["labels"][COMPONENT_LABEL] in known
        assert metadata["namespace"] == "speech"
        assert [owner["controller"] for owner in metadata["ownerReferences"]] == [True]
    assert len({(obj["kind"], obj["metadata"]["name"]) for obj in objects}) == len(objects)


@everywhere
def test_selectors_match_the_pods(name: str) -> None:
    """Workloads, Services, budgets and policies select the pods of their component, and of no other."""
    objects = rendered(golden(name))
    pods = {component_of(obj): obj["spec"]["template"]["metadata"]["labels"] for obj in _workloads(objects)}
    for obj in objects:
        for selector in _selectors(obj):
            chosen = {component for component, labels in pods.items() if selector.items() <= labels.items()}
            assert chosen == {component_of(obj)}, obj["metadata"]["name"]


@everywhere
def test_pods_are_restricted(name: str) -> None:
    """All containers pass Pod Security `restricted`; ours have a file system that can't be written besides."""
    for obj in _workloads(rendered(golden(name))):
        spec = pod_spec(obj)
        assert not list(violations(spec))
        assert spec["automountServiceAccountToken"] is False
        ours = [entry for entry in [*spec.get("initContainers", ()), *spec["containers"]] if entry["name"] != "tunnel"]
        assert all(entry["securityContext"]["readOnlyRootFilesystem"] for entry in ours)


@everywhere
def test_what_is_mounted_is_there(name: str) -> None:
    """Every mount has its volume, every volume is mounted by somebody, and every probe's port exists."""
    for obj in _workloads(rendered(golden(name))):
        spec = pod_spec(obj)
        containers = [*spec.get("initContainers", ()), *spec["containers"]]
        mounted = {mount["name"] for container in containers for mount in container.get("volumeMounts", ())}
        claimed = {claim["metadata"]["name"] for claim in obj["spec"].get("volumeClaimTemplates", ())}
        assert mounted == {volume["name"] for volume in spec.get("volumes", ())} | claimed
        for container in containers:
            ports = {port["name"] for port in container.get("ports", ())}
            probes = [container.get(f"{kind}Probe", {}) for kind in ("startup", "readiness", "liveness")]
            assert {probe["httpGet"]["port"] for probe in probes if "httpGet" in probe} <= ports


@everywhere
def test_names_are_labels(name: str) -> None:
    """Every name fits a DNS label, so that pods, Services and label values can carry it."""
    for obj in rendered(golden(name)):
        assert LABEL.fullmatch(obj["metadata"]["name"])


@everywhere
def test_no_version_is_on_pods(name: str) -> None:
    """Another version of the operator changes images that follow it, and nothing else."""
    pipeline = golden(name)
    now, later = (as_yaml(rendered(pipeline, version=version)) for version in ("1.2.3", "1.2.4"))
    for before, after in zip(now.splitlines(), later.splitlines(), strict=True):
        assert before == after or "image: " in before


def _workloads(objects: list[Object]) -> list[Object]:
    return [obj for obj in objects if obj["kind"] in ("Deployment", "StatefulSet")]


def _selectors(obj: Object) -> Iterator[Object]:
    spec = obj.get("spec", {})
    match obj["kind"]:
        case "Deployment" | "StatefulSet" | "PodDisruptionBudget":
            yield spec["selector"]["matchLabels"]
        case "NetworkPolicy":
            yield spec["podSelector"]["matchLabels"]
        case "Service":
            yield spec["selector"]


def _spoil(value: Object) -> None:
    """Change everything within: what is rendered next must not share a part of it."""
    for item in value.values():
        if isinstance(item, dict):
            _spoil(item)
        elif isinstance(item, list):
            item.append("spoiled")
    value["spoiled"] = True
