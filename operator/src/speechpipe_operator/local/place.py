"""From a plan to processes on this machine: programs, ports and the values that only the place knows."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from speechpipe_operator.components import (
    BindAddress,
    CaFile,
    Component,
    FromSecret,
    NoProxy,
    Plan,
    PortNumber,
    RedisUrl,
)
from speechpipe_operator.local.errors import LocalError
from speechpipe_operator.local.ports import Assigned, instance_name
from speechpipe_operator.local.probe import Target
from speechpipe_operator.shards import REDIS, is_redis

LOOPBACK = "127.0.0.1"
Resolvable = str | RedisUrl | FromSecret | PortNumber | BindAddress | NoProxy
READABLE = {"PYTHONUNBUFFERED": "1", "LOG_FORMAT": "human"}
"""Without a terminal of their own the processes would buffer, and log JSON."""


@dataclass(frozen=True, slots=True)
class Site:
    """What is true of this machine and this run."""

    directory: Path
    """Holds the data of servers: a folder and a configuration file for each."""
    host: str
    """Address on which clients are served; everything else listens on loopback."""
    redis_password: str
    environ: Mapping[str, str]
    find_program: Callable[[str], str]
    """Path of the program that a command's first word names."""


@dataclass(frozen=True, slots=True)
class Instance:
    """One process to run, in full."""

    name: str
    component: Component
    argv: tuple[str, ...]
    env: dict[str, str]
    ports: dict[str, int]
    ready: Target
    config_path: Path | None = None
    config: tuple[tuple[str, str], ...] = ()


def place(plan: Plan, assigned: Assigned, site: Site) -> list[list[Instance]]:
    """Every replica as a process, level by level in the order of starting.

    Raises:
        LocalError: a secret that the plan names is not in the environment; all such are named.
    """
    _refuse_missing_secrets(plan, site.environ)
    return [
        [
            _instance(component, instance_name(component.name, index), assigned, site)
            for component in level
            for index in range(component.replicas)
        ]
        for level in plan.levels()
    ]


def _redis_urls(components: Iterable[str], assigned: Assigned, site: Site) -> str:
    ports = (assigned[component][REDIS] for component in components if component in assigned)
    return ",".join(f"redis://:{site.redis_password}@{LOOPBACK}:{port}/0" for port in ports)


def _refuse_missing_secrets(plan: Plan, environ: Mapping[str, str]) -> None:
    missing = [
        f"{name} (key {value.key} of the Secret {value.secret}, for {component.name})"
        for component in plan.components
        for name, value in component.env.items()
        if isinstance(value, FromSecret) and not environ.get(name)
    ]
    if missing:
        raise LocalError("There are no Secrets without a cluster; set in the environment: " + ", ".join(missing))


def _instance(component: Component, name: str, assigned: Assigned, site: Site) -> Instance:
    ports = assigned[name]
    env = {**READABLE, **site.environ}
    for key, value in component.env.items():
        if not isinstance(value, CaFile):  # this machine has authorities of its own
            env[key] = _value(key, value, name, assigned, site)
    argv = (site.find_program(component.command[0]), *component.command[1:])
    password, config_path, config = "", None, component.config
    if is_redis(component.name):
        password, config_path = site.redis_password, site.directory / f"{name}.conf"
        config += (
            ("bind", LOOPBACK),
            ("port", str(ports[REDIS])),
            ("dir", str(site.directory / name)),
            ("requirepass", password),
            # Its notices at start and end would drown what matters in the one log of all processes.
            ("loglevel", "warning"),
        )
        argv = (*argv, str(config_path))
    probe = component.ready
    return Instance(
        name=name,
        component=component,
        argv=argv,
        env=env,
        ports=ports,
        ready=Target(probe.kind, LOOPBACK, ports[probe.port], probe.path, password),
        config_path=config_path,
        config=config,
    )


def _value(variable: str, value: Resolvable, name: str, assigned: Assigned, site: Site) -> str:
    match value:
        case RedisUrl(components):
            return _redis_urls(components, assigned, site)
        case FromSecret():
            return site.environ[variable]
        case PortNumber(port):
            return str(assigned[name][port])
        case BindAddress(public):
            return site.host if public else LOOPBACK
        case NoProxy(hosts):
            return ",".join(filter(None, (hosts, "localhost", LOOPBACK)))
        case _:
            return value
