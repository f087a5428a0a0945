"""The managed Redis: configuration, Service, StatefulSet."""

import math
from typing import Final

from speechpipe_operator.components import Component
from speechpipe_operator.objects import Object, checksum
from speechpipe_operator.plan import REDIS_PORT
from speechpipe_operator.render.context import Frame
from speechpipe_operator.render.meta import labels, made, present, selector
from speechpipe_operator.render.pods import STARTUP_PERIOD, image_of, pod_template, resources
from speechpipe_operator.render.secrets import PASSWORD_KEY, PREVIOUS_KEY, redis_auth_name, secrets_checksum
from speechpipe_operator.render.security import REDIS_USER, every_container
from speechpipe_operator.shards import REDIS
from speechpipe_operator.spec import ManagedRedis

CONFIG: Final = "redis.conf"
EMPTY: Final = '""'
CONFIG_FOLDER: Final = "/etc/redis"
ACL_FOLDER: Final = "/run/redis"
DATA: Final = "data"
"""Name of the volume; the claim of the first shard's pod is called ``data-<pipeline>-redis-0``."""

START: Final = f"""\
set -eu
umask 077
printf 'user default on ~* &* +@all >%s%s\\n' "$REDISCLI_AUTH" "${{PREVIOUS:+ >$PREVIOUS}}" >{ACL_FOLDER}/users.acl
exec "$(command -v valkey-server || command -v redis-server)" {CONFIG_FOLDER}/{CONFIG}
"""
"""Passwords reach Redis by a file in memory: in an argument or a ConfigMap others could read them."""

PING: Final = 'exec "$(command -v valkey-cli || command -v redis-cli)" -e ping'
"""With -e an error (LOADING, NOAUTH) is a failure. The password is in REDISCLI_AUTH."""


def redis_config(component: Component) -> str:
    """The configuration file: what the plan says, and what a pod needs besides."""
    placed = (
        ("bind", "* -::*"),
        ("port", str(REDIS_PORT)),
        ("protected-mode", "no"),
        ("dir", "/data"),
        ("aclfile", f"{ACL_FOLDER}/users.acl"),
    )
    return "".join(f"{name} {value or EMPTY}\n" for name, value in (*component.config, *placed))


def redis_config_map(frame: Frame, component: Component) -> Object:
    """The ConfigMap that holds it."""
    data = {CONFIG: redis_config(component)}
    return made(frame, component.name, ("v1", "ConfigMap"), frame.name(component.name), data=data)


def redis_service(frame: Frame, component: Component) -> Object:
    """One address that outlives pods: clients keep it for as long as they live, whatever their resolver caches."""
    port = {"name": REDIS, "port": REDIS_PORT, "targetPort": REDIS, "protocol": "TCP"}
    spec = {"type": "ClusterIP", "selector": selector(frame, component.name), "ports": [port]}
    return made(frame, component.name, ("v1", "Service"), frame.name(component.name), spec=spec)


def redis_stateful_set(frame: Frame, component: Component, managed: ManagedRedis) -> Object:
    """The one pod of a Redis, on a volume of its own unless nothing is to be kept.

    Each shard is a set of its own: its number never decides which pod is replaced, or goes, before another.

    Raises:
        TemplateError: a podTemplate is wrong.
    """
    kept = managed.persistence != "none"
    return made(
        frame,
        component.name,
        ("apps/v1", "StatefulSet"),
        frame.name(component.name),
        spec=present(
            replicas=1,
            serviceName=frame.name(component.name),
            selector={"matchLabels": selector(frame, component.name)},
            # With OrderedReady a pod that never becomes ready would not be replaced by a mended one.
            podManagementPolicy="Parallel",
            updateStrategy={"type": "RollingUpdate"},
            revisionHistoryLimit=3,
            template=_pod(frame, component, kept),
            volumeClaimTemplates=[_claim(frame, component, managed)] if kept else None,
        ),
    )


def _pod(frame: Frame, component: Component, kept: bool) -> Object:
    auth = secrets_checksum(frame, component)
    container: Object = {
        "name": REDIS,
        **image_of(frame, component),
        "command": ["sh", "-c", START],
        "env": [_secret(frame, "PREVIOUS", PREVIOUS_KEY, optional=True), _secret(frame, "REDISCLI_AUTH", PASSWORD_KEY)],
        "ports": [{"name": REDIS, "containerPort": REDIS_PORT, "protocol": "TCP"}],
        "resources": resources(component.pods.resources),
        **_probes(component),
        **every_container(),
        "volumeMounts": [
            {"name": "config", "mountPath": CONFIG_FOLDER, "readOnly": True},
            {"name": "acl", "mountPath": ACL_FOLDER},
            {"name": DATA, "mountPath": "/data"},
        ],
    }
    volumes: list[Object] = [
        {"name": "config", "configMap": {"name": frame.name(component.name)}},
        {"name": "acl", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
    ]
    if not kept:
        volumes.append({"name": DATA, "emptyDir": {}})
    return pod_template(
        frame,
        component,
        checksum=checksum([redis_config(component), auth]),
        user=REDIS_USER,
        terminationGracePeriodSeconds=math.ceil(component.grace_seconds),
        containers=[container],
        volumes=volumes,
    )


def _secret(frame: Frame, variable: str, key: str, *, optional: bool = False) -> Object:
    reference: Object = {"name": redis_auth_name(frame.plan.name), "key": key}
    return {"name": variable, "valueFrom": {"secretKeyRef": reference | ({"optional": True} if optional else {})}}


def _claim(frame: Frame, component: Component, managed: ManagedRedis) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": DATA, "labels": labels(frame, component.name)},
        "spec": present(
            accessModes=["ReadWriteOnce"],
            resources={"requests": {"storage": managed.storage.size}},
            storageClassName=managed.storage.storage_class_name,
            volumeMode="Filesystem",
        ),
    }


def _probes(component: Component) -> dict[str, Object]:
    ping: Object = {"exec": {"command": ["sh", "-c", PING]}}
    attempts = -(-component.pods.startup_seconds // STARTUP_PERIOD)
    return {
        "startupProbe": ping | {"periodSeconds": STARTUP_PERIOD, "failureThreshold": attempts, "timeoutSeconds": 5},
        "readinessProbe": ping | {"periodSeconds": 5, "failureThreshold": 2, "timeoutSeconds": 5},
        "livenessProbe": ping | {"periodSeconds": 10, "failureThreshold": 6, "timeoutSeconds": 5},
    }
