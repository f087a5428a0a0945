"""The kinds of the Prometheus operator as far as the chart uses them, so that an API server checks what is rendered.

Written after https://prometheus-operator.dev/docs/api-reference/api/; unknown fields are errors here.
"""

from typing import Any

from speechpipe_operator.testing.fixtures import CRDS
from speechpipe_operator.testing.rest import Rest

TEXT = {"type": "string"}
TEXTS = {"type": "object", "additionalProperties": TEXT}
SELECTOR = {"type": "object", "properties": {"matchLabels": TEXTS}}
RELABELING = {
    "type": "object",
    "properties": {
        "action": TEXT,
        "sourceLabels": {"type": "array", "items": TEXT},
        "targetLabel": TEXT,
        "regex": TEXT,
        "replacement": TEXT,
    },
}
ENDPOINT = {
    "type": "object",
    "properties": {
        "port": TEXT,
        "path": TEXT,
        "honorLabels": {"type": "boolean"},
        "interval": {"type": "string", "pattern": "^[0-9]+(s|m|h)$"},
        "relabelings": {"type": "array", "items": RELABELING},
    },
}
RULE = {
    "type": "object",
    "required": ["expr"],
    "properties": {
        "alert": TEXT,
        "record": TEXT,
        "expr": {"x-kubernetes-int-or-string": True},
        "for": TEXT,
        "keep_firing_for": TEXT,
        "labels": TEXTS,
        "annotations": TEXTS,
    },
}
GROUP = {
    "type": "object",
    "required": ["name"],
    "properties": {"name": TEXT, "interval": TEXT, "labels": TEXTS, "rules": {"type": "array", "items": RULE}},
}
SPECS: dict[str, dict[str, Any]] = {
    "PodMonitor": {"selector": SELECTOR, "podMetricsEndpoints": {"type": "array", "items": ENDPOINT}},
    "ServiceMonitor": {"selector": SELECTOR, "endpoints": {"type": "array", "items": ENDPOINT}},
    "PrometheusRule": {"groups": {"type": "array", "items": GROUP, "minItems": 1}},
}


def definition(kind: str) -> dict[str, Any]:
    """The CustomResourceDefinition of a kind."""
    plural = f"{kind.lower()}s"
    spec = {"type": "object", "properties": SPECS[kind]}
    schema = {"openAPIV3Schema": {"type": "object", "required": ["spec"], "properties": {"spec": spec}}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.monitoring.coreos.com"},
        "spec": {
            "group": "monitoring.coreos.com",
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.lower(), "listKind": f"{kind}List"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    }


async def install_kinds(rest: Rest) -> None:
    """Make an API server know them."""
    for kind in SPECS:
        made = definition(kind)
        await rest.apply(f"{CRDS}/{made['metadata']['name']}", made, manager="chart-tests")
