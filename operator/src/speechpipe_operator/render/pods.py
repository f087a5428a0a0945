"""Pods of the services: one main container, probed on its health port."""

import math
from typing import Final

from speechpipe_operator.components import Component
from speechpipe_operator.objects import CONFIG_ANNOTATION, Object
from speechpipe_operator.plan import GATEWAY
from speechpipe_operator.render.accelerators import accelerator
from speechpipe_operator.render.context import Frame
from speechpipe_operator.render.environment import environment
from speechpipe_operator.render.meta import SHARED, labels, present
from speechpipe_operator.render.secrets import secrets_checksum
from speechpipe_operator.render.security import SERVICE_USER, every_container, pod_security
from speechpipe_operator.render.template import merged
from speechpipe_operator.render.volumes import mounts
from speechpipe_operator.spec import Resources

ENDPOINT_SECONDS: Final = 5
"""A gateway goes on accepting for so long after it was told to end, until no load balancer sends it anybody."""

STARTUP_PERIOD: Final = 1
"""Seconds between two looks at a process that starts: somebody waits for it."""

READY_PERIOD: Final = 2
"""Seconds between two looks at whether a process serves; after ``READY_FAILURES`` in vain it gets no new clients."""
READY_FAILURES: Final = 3


def service_pod(frame: Frame, component: Component) -> Object:
    """The pod template of a gateway or worker, podTemplates merged over it.

    Raises:
        RenderError: the cluster lacks what the component needs, or a podTemplate is wrong.
    """
    extra = accelerator(frame, component)
    image = image_of(frame, component)
    mounted = mounts(frame, component, image)
    lingers = ENDPOINT_SECONDS if component.name == GATEWAY else 0
    container = present(
        name=component.name,
        **image,
        command=list(component.command),
        env=environment(frame, component),
        ports=[{"name": port.name, "containerPort": port.number, "protocol": "TCP"} for port in component.ports],
        resources=resources(component.pods.resources) | extra.resources_over(component.pods.resources),
        lifecycle={"preStop": {"sleep": {"seconds": lingers}}} if lingers else None,
        **_probes(component),
        **every_container(),
        volumeMounts=mounted.mounts,
    )
    return pod_template(
        frame,
        component,
        checksum=secrets_checksum(frame, component),
        user=SERVICE_USER,
        terminationGracePeriodSeconds=lingers + math.ceil(component.grace_seconds),
        initContainers=mounted.inits or None,
        containers=[container],
        volumes=mounted.volumes,
        **extra.pod,
    )


def pod_template(
    frame: Frame,
    component: Component,
    *,
    checksum: str | None,
    user: int,
    **spec: object,
) -> Object:
    """A pod template with what all pods of a pipeline have in common, podTemplates merged over it.

    Args:
        frame: the pipeline.
        component: whose pods they are.
        checksum: of what the process reads only when it starts; another one replaces the pods.
        user: numeric user that the containers run as.
        spec: further fields of the pod; None is left out.

    Raises:
        TemplateError: a podTemplate is wrong.
    """
    whole = frame.pipeline.spec
    pulled = [{"name": name} for name in whole.images.pull_secrets]
    metadata: Object = {"labels": labels(frame, component.name)}
    if checksum is not None:
        metadata["annotations"] = {CONFIG_ANNOTATION: checksum}
    pod = present(
        serviceAccountName=frame.name(SHARED),
        automountServiceAccountToken=False,
        enableServiceLinks=False,  # a Service called gateway would set GATEWAY_PORT
        securityContext=pod_security(user),
        imagePullSecrets=pulled or None,
        priorityClassName=whole.priority_class_name,
        **spec,
    )
    return merged(frame, component, {"metadata": metadata, "spec": pod})


def image_of(frame: Frame, component: Component) -> Object:
    """Reference and pull policy of a component's image."""
    reference = component.pods.image.reference(frame.context.version)
    return {"image": reference, "imagePullPolicy": frame.pipeline.spec.images.pull_policy}


def resources(given: Resources) -> Object:
    """Requests and limits, each where there are any."""
    found = {"requests": dict(given.requests), "limits": dict(given.limits)}
    return {name: amounts for name, amounts in found.items() if amounts}


def _probes(component: Component) -> dict[str, Object]:
    ready: Object = {"httpGet": {"path": component.ready.path, "port": component.ready.port}}
    alive: Object = {"httpGet": {"path": "/health", "port": component.ready.port}}
    attempts = -(-component.pods.startup_seconds // STARTUP_PERIOD)
    return {
        "startupProbe": ready | {"periodSeconds": STARTUP_PERIOD, "failureThreshold": attempts, "timeoutSeconds": 3},
        "readinessProbe": ready
        | {"periodSeconds": READY_PERIOD, "failureThreshold": READY_FAILURES, "timeoutSeconds": 3},
        # Slow, not dead, is what a process is whose model has all its cores.
        "livenessProbe": alive | {"periodSeconds": 10, "failureThreshold": 6, "timeoutSeconds": 5},
    }
