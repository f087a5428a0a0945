"""Pod Security `restricted`, as https://kubernetes.io/docs/concepts/security/pod-security-standards/ words it, and what
we ask of our own containers besides.
"""

from collections.abc import Iterator

from speechpipe_operator.objects import Object

VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
}


def violations(pod: Object) -> Iterator[str]:
    """What a pod's spec does that `restricted` does not allow."""
    for name in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(name):
            yield name
    whole = pod.get("securityContext", {})
    for volume in pod.get("volumes", ()):
        if extra := volume.keys() - {"name"} - VOLUMES:
            yield f"volume {volume['name']}: {extra}"
    for container in [*pod.get("initContainers", ()), *pod["containers"]]:
        yield from (f"{container['name']}: {what}" for what in _container(container, whole))


def _container(container: Object, whole: Object) -> Iterator[str]:
    own = container.get("securityContext", {})
    effective = {**whole, **own}
    if own.get("privileged"):
        yield "privileged"
    if own.get("allowPrivilegeEscalation") is not False:
        yield "allowPrivilegeEscalation"
    if "ALL" not in own.get("capabilities", {}).get("drop", ()) or own["capabilities"].keys() - {"drop"}:
        yield "capabilities"
    if effective.get("runAsNonRoot") is not True or effective.get("runAsUser") == 0:
        yield "runs as root"
    if effective.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"):
        yield "seccompProfile"
    if any("hostPort" in port for port in container.get("ports", ())):
        yield "hostPort"
