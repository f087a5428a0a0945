"""Values that people give: each set is rendered, and every object of it shown to a real API server."""

from typing import Any

from helm import CHART
from ruamel.yaml import YAML

EXAMPLES = CHART.parents[1] / "examples"
TEAMS = ("team-a", "team-b")
"""Namespaces that the tests make."""


def example(name: str) -> dict[str, Any]:
    """The spec of a pipeline among the examples."""
    return YAML(typ="safe", pure=True).load((EXAMPLES / name).read_text())["spec"]


MINIMAL = {"spec": {"gateway": {"auth": {"mode": "none"}}}}

SETS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "one pipeline": {"pipelines": {"captions": MINIMAL}},
    "a GPU cluster": YAML(typ="safe", pure=True).load((EXAMPLES / "helm" / "values-gpu.yaml").read_text()),
    "the examples": {
        "pipelines": {
            "captions": {"spec": example("minimal.yaml")},
            "conference": {"spec": example("cluster.yaml"), "labels": {"team": "events"}, "annotations": {"a/b": "c"}},
        },
        "test": {"apiKey": {"secret": "conference-key"}, "seconds": 1800},
    },
    "some namespaces": {
        "operator": {"watchNamespaces": list(TEAMS)},
        "pipelines": {"captions": MINIMAL | {"namespace": TEAMS[0]}, "others": MINIMAL | {"namespace": TEAMS[1]}},
        "uninstall": {"purge": True},
    },
    "highly available": {
        "operator": {
            "replicas": 2,
            "priorityClassName": "system-cluster-critical",
            "settings": {"leaseSeconds": 5, "workers": 32, "logFormat": "json", "redisPolling": False},
            "resources": {"requests": {"cpu": 1, "memory": "1Gi"}, "limits": {"memory": "2Gi"}},
        }
    },
    "a place of its own": {
        "operator": {
            "nodeSelector": {"node-role.kubernetes.io/control-plane": ""},
            "tolerations": [{"key": "node-role.kubernetes.io/control-plane", "operator": "Exists"}],
            "affinity": {"podAffinity": {}},
            "podLabels": {"team": "speech"},
            "podAnnotations": {"linkerd.io/inject": "disabled"},
        }
    },
    "a mirror": {
        "images": {
            "registry": "mirror.example.com:5000/speech",
            "tag": "1.2.3",
            "pullPolicy": "Always",
            "pullSecrets": ["mirror"],
        },
        "pipelines": {"captions": MINIMAL},
    },
    "images by reference": {
        "operator": {"image": "example.com/operator@sha256:" + "0" * 64},
        "test": {"image": "example.com/client:1", "url": "wss://captions.example.com/ws", "clip": "en/hello_world"},
    },
    "a proxy": {
        "operator": {
            "extraEnv": [
                {"name": "HTTPS_PROXY", "value": "http://proxy:3128"},
                {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "proxy", "key": "token"}}},
            ]
        }
    },
    "Prometheus by PodMonitor": {
        "monitoring": {
            "prometheus": "enabled",
            "interval": "10s",
            "labels": {"release": "prometheus"},
            "dashboards": {"labels": {"dashboards": "yes"}, "annotations": {"grafana_folder": "Speech"}},
        }
    },
    "Prometheus by ServiceMonitor": {"monitoring": {"prometheus": "enabled", "monitor": "ServiceMonitor"}},
    "closed network": {
        "operator": {
            "networkPolicy": {
                "metricsFrom": ["monitoring"],
                "egress": [{"ports": [{"port": 53, "protocol": "UDP"}, {"port": 443, "protocol": "TCP"}]}],
            }
        },
        "test": {"namespace": TEAMS[0]},
        "pipelines": {"captions": MINIMAL},
    },
    "as little as can be": {
        "operator": {
            "disruptionBudget": {"enabled": False},
            "networkPolicy": {"enabled": False},
            "serviceAccount": {"create": False, "name": "mine"},
        },
        "rbac": {"create": False, "aggregate": False},
        "crds": {"upgrade": False},
        "monitoring": {"prometheus": "disabled", "rules": False, "dashboards": {"enabled": False}},
        "test": {"enabled": False},
        "pipelines": {"captions": MINIMAL},
    },
    "other names": {
        "nameOverride": "voice",
        "fullnameOverride": "the-voice-of-the-whole-organisation-as-long-as-this",
        "operator": {"serviceAccount": {"name": "voice-account", "annotations": {"example.com/role": "voice"}}},
        "uninstall": {"purge": True},
        "pipelines": {"a-pipeline-whose-name-has-40-characters1": MINIMAL},
    },
}
