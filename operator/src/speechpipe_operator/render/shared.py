"""What belongs to all components of a pipeline together."""

import re
from typing import Final

from speechpipe_operator.objects import COMPONENT_LABEL, PIPELINE_LABEL, Object
from speechpipe_operator.plan import REDIS
from speechpipe_operator.render.context import Frame
from speechpipe_operator.render.meta import SHARED, made
from speechpipe_operator.render.policies import HEALTH

POD_MONITOR: Final = ("monitoring.coreos.com/v1", "PodMonitor")
_UNNAMEABLE: Final = re.compile(r"\W")
"""What Prometheus turns into an underscore in the name of a label."""


def service_account(frame: Frame) -> Object:
    """The account that all pods run as: it has no rights, and its token is not mounted."""
    return made(frame, SHARED, ("v1", "ServiceAccount"), frame.name(SHARED), automountServiceAccountToken=False)


def _named(target: str, label: str) -> Object:
    """A pod's label as a label of its series, under the short name that rules and dashboards read."""
    return {"sourceLabels": [f"__meta_kubernetes_pod_label_{_UNNAMEABLE.sub('_', label)}"], "targetLabel": target}


def pod_monitors(frame: Frame) -> list[Object]:
    """The PodMonitor of gateways and workers, where the cluster knows that kind."""
    monitoring = frame.pipeline.spec.monitoring
    if monitoring.pod_monitor == "disabled" or not frame.context.capabilities.pod_monitor:
        return []
    watched = sorted(component.name for component in frame.plan.components if component.name != REDIS)
    monitor = made(
        frame,
        SHARED,
        POD_MONITOR,
        frame.name(SHARED),
        spec={
            "selector": {
                "matchLabels": {PIPELINE_LABEL: frame.plan.name},
                "matchExpressions": [{"key": COMPONENT_LABEL, "operator": "In", "values": watched}],
            },
            "podMetricsEndpoints": [
                {
                    "port": HEALTH,
                    "path": "/metrics",
                    "interval": monitoring.interval,
                    "relabelings": [_named("pipeline", PIPELINE_LABEL), _named("component", COMPONENT_LABEL)],
                }
            ],
        },
    )
    # By these labels a Prometheus chooses its PodMonitors; ours stay.
    monitor["metadata"]["labels"] = {**monitoring.labels, **monitor["metadata"]["labels"]}
    return [monitor]
