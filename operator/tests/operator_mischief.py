"""What people do to children by hand: single edits of fields that are the operator's, and deletions."""

import random
from typing import Any

from operator_pipelines import PATHS, essence

from speechpipe_operator.testing.rest import Rest

LABEL = "app.kubernetes.io/managed-by"
FLEETING = (
    "clusterIP",
    "clusterIPs",
    "nodePort",
    "uid",
    "deprecated.daemonset.template.generation",
    "creationTimestamp",
)
"""Given anew by the API server when an object is made anew."""

EDITS: dict[str, list[dict[str, Any]]] = {
    "ConfigMap": [{"data": {"redis.conf": "maxmemory 1"}}, {"data": None}],
    "Service": [
        {"spec": {"selector": {"speechpipe.dev/component": "another"}}},
        {"spec": {"ports": [{"name": "ws", "port": 80, "protocol": "TCP", "targetPort": "health"}]}},
    ],
    "ServiceAccount": [{"automountServiceAccountToken": True}],
    "Deployment": [
        {"spec": {"revisionHistoryLimit": 7}},
        {"spec": {"template": {"spec": {"serviceAccountName": "default"}}}},
        {"spec": {"template": {"metadata": {"labels": {LABEL: "me"}}}}},
    ],
    "StatefulSet": [{"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 1}}}}],
    "PodDisruptionBudget": [{"spec": {"maxUnavailable": 0}}],
    "NetworkPolicy": [{"spec": {"podSelector": {"matchLabels": {"app": "another"}}}}, {"spec": {"ingress": None}}],
}
"""Merge patches by kind; each changes or removes something that the operator has set."""

COMMON: list[dict[str, Any]] = [
    {"metadata": {"labels": {LABEL: "me"}}},
    {"metadata": {"labels": {LABEL: None}}},
]
"""For any kind."""


def wish(obj: dict[str, Any]) -> Any:
    """What of a child must be the same after mending."""
    return _lasting(essence(obj))


async def mischief(rest: Rest, namespace: str, child: tuple[str, str], dice: random.Random) -> str:
    """Do something to a child; what it was, in words."""
    kind, name = child
    path = f"{PATHS[kind].format(namespace)}/{name}"
    patch = dice.choice([None, *COMMON, *EDITS[kind]])
    if patch is None:
        await rest.delete(path, propagationPolicy="Background")
        return f"delete {kind}/{name}"
    await rest.merge(path, patch, fieldManager="somebody")
    return f"patch {kind}/{name} {patch}"


def _lasting(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _lasting(item) for key, item in value.items() if key not in FLEETING}
    return [_lasting(item) for item in value] if isinstance(value, list) else value
