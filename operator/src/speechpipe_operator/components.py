"""What a pipeline consists of, said without a place to run it.

``speechpipe_operator.plan`` makes these out of a ``SpeechPipeline``; the local runner turns each into processes.
Values that only the place knows (the address of the managed Redis, a secret, the port of one replica) are symbols here.
"""

from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Literal


@dataclass(frozen=True, slots=True)
class RedisUrl:
    """The URL of the managed Redis, password included; known where it runs."""


@dataclass(frozen=True, slots=True)
class FromSecret:
    """The value at ``key`` of the Secret called ``secret``; with ``as_file`` the path of a file that holds it."""

    secret: str
    key: str
    as_file: bool = False


@dataclass(frozen=True, slots=True)
class PortNumber:
    """The number that the place gave to the port called ``port`` of this very replica."""

    port: str


@dataclass(frozen=True, slots=True)
class BindAddress:
    """The address to listen on: all of a pod's; on one machine loopback, or what the user chose if ``public``."""

    public: bool = False


EnvValue = str | RedisUrl | FromSecret | PortNumber | BindAddress


@dataclass(frozen=True, slots=True)
class Port:
    """A TCP port that every replica listens on. ``number`` is the wish; replicas on one machine can't share it.

    ``internal`` ports are for other components alone: on one machine any free number does.
    """

    name: str
    number: int
    internal: bool = False


@dataclass(frozen=True, slots=True)
class Probe:
    """How to see that a replica is ready: on its port ``port``, GET ``path`` answers 200, or Redis answers PING."""

    kind: Literal["http", "redis"]
    port: str
    path: str = "/ready"


@dataclass(frozen=True, slots=True)
class Component:
    """Processes of one kind.

    ``command[0]`` is ``python`` (the interpreter that has the services) or the name of a server. ``config`` holds the
    directives of a server that is configured by file, in order.
    """

    name: str
    command: tuple[str, ...]
    ports: tuple[Port, ...]
    ready: Probe
    env: dict[str, EnvValue] = field(default_factory=dict)
    config: tuple[tuple[str, str], ...] = ()
    replicas: int = 1
    depends_on: tuple[str, ...] = ()
    grace_seconds: float = 15.0
    """How long a replica may take to end after SIGTERM."""


@dataclass(frozen=True, slots=True)
class Plan:
    """All components of the pipeline called ``name``."""

    name: str
    components: tuple[Component, ...]

    def component(self, name: str) -> Component:
        """The component of that name.

        Raises:
            KeyError: there is none.
        """
        for component in self.components:
            if component.name == name:
                return component
        raise KeyError(name)

    def levels(self) -> list[tuple[Component, ...]]:
        """Components in the order of starting: each level needs only the levels before it.

        Raises:
            ValueError: dependencies are unknown or go round in a circle.
        """
        names = {component.name for component in self.components}
        if unknown := {need for component in self.components for need in component.depends_on} - names:
            raise ValueError(f"components of {self.name} depend on {sorted(unknown)}, which it does not have")
        sorter = TopologicalSorter({component.name: component.depends_on for component in self.components})
        try:
            sorter.prepare()
        except CycleError as error:
            raise ValueError(f"components of {self.name} depend on each other in a circle: {error.args[1]}") from error
        levels = []
        while sorter.is_active():
            startable = sorter.get_ready()
            levels.append(tuple(self.component(name) for name in sorted(startable)))
            sorter.done(*startable)
        return levels
