"""Random but valid wishes, and random damage to what is ours; each from a seeded generator."""

import copy
import json
import random
from collections.abc import Iterator
from typing import Any

from speechpipe_operator.objects import CONFIG_ANNOTATION, FIELD_MANAGER, SCALE_MANAGER, Object

Path = tuple[str | int, ...]

WISHES: dict[str, tuple[Any, ...]] = {
    "gateway.autoscaling": (None, {"minReplicas": 2, "maxReplicas": 5}),
    "gateway.port": (None, 6000),
    "gateway.service": (None, {"port": 81, "annotations": {"a": "b"}}, {"type": "NodePort"}),
    "gateway.ingress": (None, {"host": "a.example.org"}, {"host": "b.example.org", "tlsSecretName": "tls"}),
    "gateway.resources": (None, {"requests": {"cpu": "1"}}, {"limits": {"memory": "2Gi"}}),
    "languages": (None, {"source": "en"}),
    "monitoring": (None, {"interval": "30s"}),
    "networkPolicies": (None, {"enabled": False}, {"gatewayFrom": ["infra"]}),
    "podTemplate": (None, {"metadata": {"annotations": {"x": "y"}}}, {"spec": {"nodeSelector": {"disk": "ssd"}}}),
    "priorityClassName": (None, "system-cluster-critical"),
    "proxy": (None, {"httpsProxy": "http://proxy:3128"}),
    "redis": (None, {"managed": {"memory": "1Gi"}}, {"external": {"url": "redis://there:6379"}}),
    "stt.autoscaling": (None, {"minReplicas": 0, "maxReplicas": 5}, {"mode": "external"}),
    "stt.gpu": (None, {"count": 2}, {"dra": {"deviceClassName": "gpu.example.com"}}),
    "stt.modelCache": (None, {"emptyDir": {"sizeLimit": "1Gi"}}, {"image": {"reference": "models:1"}}),
    "stt.env": (None, {"CPU_THREADS": "4"}, {"CPU_THREADS": "2", "LOG_LEVEL": "debug"}),
    "translation": (None, {"replicas": 2}, {"engine": "easynmt", "gpu": {"topologySpread": "node"}}),
}
"""Choices for parts of a spec; None leaves the part out."""


def wish(chance: random.Random) -> Object:
    """A spec."""
    spec: Object = {"gateway": {"auth": {"mode": "none"}}}
    for place, choices in WISHES.items():
        chosen = chance.choice(choices)
        *above, last = place.split(".")
        if chosen is not None:
            part = spec.setdefault(above[0], {}) if above else spec
            part[last] = chosen
    return spec


def owned_leaves(obj: Object) -> list[Path]:
    """Places of scalars that our field manager owns, by the API server's own record; the owner reference apart, whose
    removal means that the object is given away.
    """
    (entry,) = [
        item
        for item in obj["metadata"]["managedFields"]
        if item["manager"] == FIELD_MANAGER and item["operation"] == "Apply" and not item.get("subresource")
    ]
    found = sorted(set(_leaves(obj, entry["fieldsV1"], ())), key=str)
    return [path for path in found if path[:2] != ("metadata", "ownerReferences")]


def damaged(obj: Object, chance: random.Random) -> tuple[Path, Object]:
    """A copy in which one scalar of ours is another one or is gone; and its place."""
    path = chance.choice(owned_leaves(obj))
    changed = copy.deepcopy(obj)
    parent: Any = changed
    for step in path[:-1]:
        parent = parent[step]
    value = parent[path[-1]]
    if isinstance(path[-1], str) and chance.random() < 0.3:
        del parent[path[-1]]
    elif isinstance(value, bool):
        parent[path[-1]] = not value
    else:
        parent[path[-1]] = value + 1 if isinstance(value, int) else f"{value}x"
    return path, changed


def essence(obj: Object) -> Object:
    """An object without what differs between two that are the same: identity, versions, addresses, replicas that others
    own, checksums of passwords, and defaults that depend on history.
    """
    found: Object = copy.deepcopy(obj)
    for name in ("apiVersion", "status"):  # lists leave out the one, nobody wishes the other
        found.pop(name, None)
    metadata = found["metadata"]
    for name in ("uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "namespace"):
        metadata.pop(name, None)
    for owner in metadata.get("ownerReferences", []):
        owner.pop("uid")
    spec = found.get("spec", {})
    for name in ("clusterIP", "clusterIPs"):
        spec.pop(name, None)
    for port in spec.get("ports", []) if found.get("kind") != "NetworkPolicy" else []:
        port.pop("nodePort", None)
    if any(item["manager"] == SCALE_MANAGER for item in obj["metadata"]["managedFields"]):
        spec.pop("replicas", None)
    annotations = spec.get("template", {}).get("metadata", {}).get("annotations", {})
    if CONFIG_ANNOTATION in annotations:
        annotations[CONFIG_ANNOTATION] = "some"
    text: Object = json.loads(json.dumps(found).replace(obj["metadata"]["namespace"], "NAMESPACE"))
    return text


def _leaves(value: Any, fields: dict[str, Any], path: Path) -> Iterator[Path]:
    if not fields:
        yield from _scalars(value, path)
        return
    for step, below in fields.items():
        kind, _, rest = step.partition(":")
        if kind == "f" and isinstance(value, dict) and rest in value:
            yield from _leaves(value[rest], below, (*path, rest))
        elif kind == "k" and isinstance(value, list):
            wanted = json.loads(rest)
            for index, item in enumerate(value):
                if wanted.items() <= item.items():
                    # Another key is another item: the one of ours comes back, and theirs stays.
                    rest_of_it = {name: part for name, part in below.items() if name[2:] not in wanted}
                    yield from _leaves(item, rest_of_it, (*path, index)) if rest_of_it else ()


def _scalars(value: Any, path: Path) -> Iterator[Path]:
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    if isinstance(value, dict | list):
        for name, item in children:
            yield from _scalars(item, (*path, name))
    elif path:
        yield path
