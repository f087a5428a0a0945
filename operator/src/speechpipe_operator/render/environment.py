"""The environment of a component's process."""

from typing import Final

from speechpipe_operator.components import BindAddress, CaFile, Component, EnvValue, FromSecret, NoProxy, RedisUrl
from speechpipe_operator.objects import Object
from speechpipe_operator.render.context import Frame
from speechpipe_operator.render.secrets import PASSWORD_KEY, redis_auth_name, redis_urls

EVERYWHERE: Final = "0.0.0.0"  # noqa: S104 - a pod's addresses
RUN: Final = "/run/speechpipe"
CA_FILE: Final = f"{RUN}/trust/ca.crt"
MODELS: Final = "/models"
"""Where the model cache is mounted."""
TMP: Final = "/tmp"  # noqa: S108 - an emptyDir of the pod

PASSWORD: Final = "REDIS_PASSWORD"  # noqa: S105 - the name of a variable
WITHIN_THE_CLUSTER: Final = ("localhost", "127.0.0.1", ".svc", ".svc.cluster.local")


def environment(frame: Frame, component: Component) -> list[Object]:
    """Entries by name. A password comes before the URL that it is put into: only what stands before is expanded."""
    given = dict(component.env)
    entries: dict[str, Object] = {"INSTANCE_ID": {"valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}}
    entries["HOME"] = {"value": TMP}  # the user of the image may have none
    if component.pods.model_cache is not None:
        entries["XDG_CACHE_HOME"] = {"value": MODELS}
    if any(isinstance(value, RedisUrl) for value in given.values()):
        reference = {"name": redis_auth_name(frame.plan.name), "key": PASSWORD_KEY}
        entries[PASSWORD] = {"valueFrom": {"secretKeyRef": reference}}
    entries |= {name: _entry(frame, component, name, value) for name, value in given.items()}
    return [{"name": name, **entries[name]} for name in sorted(entries)]


def secret_files(component: Component) -> dict[str, FromSecret]:
    """Secrets that are mounted as files, by the variable that holds the path."""
    return {n: v for n, v in component.env.items() if isinstance(v, FromSecret) and v.as_file}


def secret_volume(variable: str) -> str:
    """Name of the volume of a mounted Secret."""
    return variable.lower().replace("_", "-")


def secret_folder(variable: str) -> str:
    """Where it is mounted: a whole folder, since a single mounted file would never change."""
    return f"{RUN}/{secret_volume(variable)}"


def _entry(frame: Frame, component: Component, name: str, value: EnvValue) -> Object:
    match value:
        case RedisUrl(components):
            return {"value": redis_urls(frame.plan.name, components, f"$({PASSWORD})")}
        case FromSecret(secret, key, as_file=False):
            return {"valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}
        case FromSecret(_, key):
            return {"value": f"{secret_folder(name)}/{key}"}
        case BindAddress():
            return {"value": EVERYWHERE}
        case CaFile():
            return {"value": CA_FILE}
        case NoProxy(hosts):
            return {"value": ",".join(filter(None, (hosts, *WITHIN_THE_CLUSTER)))}
        case str():
            return {"value": value.replace("$", "$$")}  # $(NAME) would be expanded, here and not on one machine
        case _:
            return {"value": str(_port(component, value.port))}


def _port(component: Component, name: str) -> int:
    return next(port.number for port in component.ports if port.name == name)
