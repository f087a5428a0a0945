"""Deployments of gateways and workers, and what belongs to them."""

import copy
from typing import Final

from speechpipe_operator.components import Component
from speechpipe_operator.objects import Object
from speechpipe_operator.plan import GATEWAY
from speechpipe_operator.render.context import Frame
from speechpipe_operator.render.meta import made, present, selector
from speechpipe_operator.render.pods import service_pod
from speechpipe_operator.render.volumes import model_claim_name

DEADLINE_MARGIN_SECONDS: Final = 300
"""For pulling images and binding volumes, before the process's own time begins."""

HISTORY: Final = 3
"""Older ReplicaSets kept for ``kubectl rollout undo``."""


def deployment(frame: Frame, component: Component) -> Object:
    """The Deployment of a gateway or worker.

    Replicas stand in it only where the spec gives those of gateways: a worker's number is owned by the autoscaler
    through ``/scale`` (a first apply needs ``with_replicas``), and a HorizontalPodAutoscaler's by that.

    Raises:
        RenderError: see ``service_pod``.
    """
    ours = component.name == GATEWAY and component.pods.scaling.mode == "fixed"
    return made(
        frame,
        component.name,
        ("apps/v1", "Deployment"),
        frame.name(component.name),
        spec=present(
            replicas=component.replicas if ours else None,
            selector={"matchLabels": selector(frame, component.name)},
            strategy=_strategy(component),
            progressDeadlineSeconds=component.pods.startup_seconds + DEADLINE_MARGIN_SECONDS,
            revisionHistoryLimit=HISTORY,
            template=service_pod(frame, component),
        ),
    )


def with_replicas(obj: Object, replicas: int) -> Object:
    """A copy of a Deployment with that many replicas, for the apply that creates it (absent would mean 1)."""
    changed = copy.deepcopy(obj)
    changed["spec"] = {"replicas": replicas, **changed["spec"]}
    return changed


def disruption_budget(frame: Frame, component: Component) -> Object:
    """One pod may be evicted at a time; those that are not ready are in nobody's way."""
    return made(
        frame,
        component.name,
        ("policy/v1", "PodDisruptionBudget"),
        frame.name(component.name),
        spec={
            "maxUnavailable": 1,
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
            "selector": {"matchLabels": selector(frame, component.name)},
        },
    )


def model_claims(frame: Frame, component: Component) -> list[Object]:
    """The PersistentVolumeClaim for a component's models, unless the user names one."""
    cache = component.pods.model_cache
    if cache is None or cache.pvc is None or cache.pvc.claim_name is not None:
        return []
    return [
        made(
            frame,
            component.name,
            ("v1", "PersistentVolumeClaim"),
            model_claim_name(frame, component.name),
            spec=present(
                accessModes=[cache.pvc.access_mode],
                resources={"requests": {"storage": cache.pvc.size}},
                storageClassName=cache.pvc.storage_class_name,
                volumeMode="Filesystem",
            ),
        )
    ]


def _strategy(component: Component) -> Object:
    """One more pod than wanted while rolling, unless that one might never find a place."""
    cache = component.pods.model_cache
    one_node = cache is not None and cache.pvc is not None and cache.pvc.access_mode == "ReadWriteOnce"
    # Where all GPUs are taken, a surplus pod would wait for one for ever, and the rollout for it.
    tight = component.pods.gpu is not None or one_node
    bounds = {"maxSurge": 0, "maxUnavailable": 1} if tight else {"maxSurge": 1, "maxUnavailable": 0}
    return {"type": "RollingUpdate", "rollingUpdate": bounds}
