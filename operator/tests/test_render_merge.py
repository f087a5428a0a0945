"""Strategic merge of pod templates: case by case, without a pipeline around it."""

import copy
from typing import Any

import pytest

from speechpipe_operator.objects import Object
from speechpipe_operator.render.strategic import MergeError, strategic_merge

BASE: Object = {
    "metadata": {"labels": {"app": "x"}, "annotations": {"a": "1", "b": "2"}},
    "spec": {
        "terminationGracePeriodSeconds": 25,
        "tolerations": [{"key": "gpu", "operator": "Exists"}],
        "nodeSelector": {"disk": "ssd"},
        "containers": [
            {
                "name": "main",
                "command": ["python", "-m", "it"],
                "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
                "ports": [{"name": "health", "containerPort": 80, "protocol": "TCP"}],
                "resources": {"requests": {"cpu": "1"}},
                "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
            }
        ],
        "volumes": [{"name": "tmp", "emptyDir": {"medium": "Memory"}}, {"name": "other", "emptyDir": {}}],
    },
}
MAIN = {"name": "main"}

CASES: dict[str, tuple[Object, str, Any]] = {
    "a field is set": ({"spec": {"terminationGracePeriodSeconds": 90}}, "spec.terminationGracePeriodSeconds", 90),
    "a field is added": ({"spec": {"hostname": "h"}}, "spec.hostname", "h"),
    "a field is removed by null": ({"spec": {"nodeSelector": None}}, "spec.nodeSelector", None),
    "mappings are merged": ({"spec": {"nodeSelector": {"a": "b"}}}, "spec.nodeSelector", {"disk": "ssd", "a": "b"}),
    "an entry is removed by null": ({"metadata": {"annotations": {"a": None}}}, "metadata.annotations", {"b": "2"}),
    "a mapping is replaced": (
        {"spec": {"nodeSelector": {"$patch": "replace", "a": "b"}}},
        "spec.nodeSelector",
        {"a": "b"},
    ),
    "a mapping is deleted": ({"spec": {"nodeSelector": {"$patch": "delete"}}}, "spec.nodeSelector", None),
    "a list without keys is replaced": (
        {"spec": {"tolerations": [{"key": "mine", "operator": "Exists"}]}},
        "spec.tolerations",
        [{"key": "mine", "operator": "Exists"}],
    ),
    "an entry is merged by its name": (
        {"spec": {"containers": [MAIN | {"resources": {"limits": {"memory": "1Gi"}}}]}},
        "spec.containers.0.resources",
        {"requests": {"cpu": "1"}, "limits": {"memory": "1Gi"}},
    ),
    "an entry of a new name comes last": (
        {"spec": {"containers": [{"name": "side", "image": "i"}]}},
        "spec.containers.1",
        {"name": "side", "image": "i"},
    ),
    "an entry is deleted": (
        {"spec": {"volumes": [{"name": "other", "$patch": "delete"}]}},
        "spec.volumes",
        [{"name": "tmp", "emptyDir": {"medium": "Memory"}}],
    ),
    "an entry is replaced": (
        {"spec": {"containers": [MAIN | {"$patch": "replace", "image": "i"}]}},
        "spec.containers",
        [{"name": "main", "image": "i"}],
    ),
    "a list is replaced": (
        {"spec": {"volumes": [{"$patch": "replace"}, {"name": "new", "emptyDir": {}}]}},
        "spec.volumes",
        [{"name": "new", "emptyDir": {}}],
    ),
    "a volume's other source goes": (
        {"spec": {"volumes": [{"name": "tmp", "persistentVolumeClaim": {"claimName": "c"}}]}},
        "spec.volumes.0",
        {"name": "tmp", "persistentVolumeClaim": {"claimName": "c"}},
    ),
    "a volume's own source is merged": (
        {"spec": {"volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "1Gi"}}]}},
        "spec.volumes.0.emptyDir",
        {"medium": "Memory", "sizeLimit": "1Gi"},
    ),
    "a variable's value gives way to a source": (
        {"spec": {"containers": [MAIN | {"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "x"}}}]}]}},
        "spec.containers.0.env.0",
        {"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "x"}}},
    ),
    "a port is known by number and protocol, TCP unless said": (
        {"spec": {"containers": [MAIN | {"ports": [{"containerPort": 80, "name": "web"}]}]}},
        "spec.containers.0.ports",
        [{"name": "web", "containerPort": 80, "protocol": "TCP"}],
    ),
    "a port of another protocol is another port": (
        {"spec": {"containers": [MAIN | {"ports": [{"containerPort": 80, "protocol": "UDP"}]}]}},
        "spec.containers.0.ports.1",
        {"containerPort": 80, "protocol": "UDP"},
    ),
    "a mount is known by its path": (
        {"spec": {"containers": [MAIN | {"volumeMounts": [{"mountPath": "/tmp", "subPath": "s"}]}]}},
        "spec.containers.0.volumeMounts",
        [{"name": "tmp", "mountPath": "/tmp", "subPath": "s"}],
    ),
    "commands are replaced whole": (
        {"spec": {"containers": [MAIN | {"command": ["debug"]}]}},
        "spec.containers.0.command",
        ["debug"],
    ),
    "numbers and quantities stay as they are written": (
        {"spec": {"containers": [MAIN | {"resources": {"requests": {"cpu": 0.5, "memory": "1e3Mi"}}}]}},
        "spec.containers.0.resources.requests",
        {"cpu": 0.5, "memory": "1e3Mi"},
    ),
    "nulls in what is new are dropped": (
        {"spec": {"affinity": {"nodeAffinity": None, "podAffinity": {"x": 1}}}},
        "spec.affinity",
        {"podAffinity": {"x": 1}},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_merge(case: str) -> None:
    """The merge does what its case says, and leaves its arguments alone."""
    patch, path, expected = CASES[case]
    base, before = copy.deepcopy(BASE), copy.deepcopy(patch)
    merged: Any = strategic_merge(base, patch, "t")
    for step in path.split("."):
        merged = merged[int(step)] if isinstance(merged, list) else merged.get(step)
    assert merged == expected
    assert (base, patch) == (BASE, before)


MISTAKES: dict[str, tuple[Object, str]] = {
    "a mapping where a list belongs": (
        {"spec": {"containers": {"name": "main"}}},
        "t.spec.containers: a list is needed, not a mapping",
    ),
    "a list where a mapping belongs": (
        {"spec": {"nodeSelector": []}},
        "t.spec.nodeSelector: a mapping is needed, not a list",
    ),
    "a mapping where a value belongs": (
        {"spec": {"terminationGracePeriodSeconds": {}}},
        "t.spec.terminationGracePeriodSeconds: a single value is needed, not a mapping",
    ),
    "text in a list": ({"spec": {"volumes": ["tmp"]}}, "t.spec.volumes[0]: a mapping is needed, not 'tmp'"),
    "an entry without a name": (
        {"spec": {"containers": [{"image": "x"}]}},
        "t.spec.containers[0]: name is missing, which tells the entries apart",
    ),
    "an entry twice": (
        {"spec": {"volumes": [{"name": "a", "emptyDir": {}}, {"name": "a"}]}},
        "t.spec.volumes[1]: a stands here twice",
    ),
    "an unknown directive": (
        {"spec": {"volumes": [{"name": "a", "$patch": "remove"}]}},
        "t.spec.volumes[0].$patch: 'remove' is no directive; allowed: delete, merge, replace",
    ),
    "a directive that is not understood": (
        {"spec": {"$setElementOrder/containers": []}},
        "t.spec.$setElementOrder/containers: only $patch is understood",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_patch_that_does_not_fit(mistake: str) -> None:
    """What does not fit is refused with its place."""
    patch, said = MISTAKES[mistake]
    with pytest.raises(MergeError) as refused:
        strategic_merge(BASE, patch, "t")
    assert str(refused.value).startswith(said)
