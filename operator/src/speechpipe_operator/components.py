"""What a pipeline consists of, said without a place to run it.

``speechpipe_operator.plan`` makes these out of a ``SpeechPipeline``; the local runner turns each into processes, and
``speechpipe_operator.render`` into objects of a cluster. Values that only the place knows (the address of the managed
Redis, a secret, the port of one replica) are symbols here.
"""

from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Literal

from speechpipe_operator.spec import Autoscaling, GatewayAutoscaling, Gpu, ModelCache, PodTemplate, Resources


@dataclass(frozen=True, slots=True)
class RedisUrl:
    """The URLs of the managed Redis, password included; known where it runs."""

    components: tuple[str, ...] = ("redis",)
    """Which of them, in the order of shards."""


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


@dataclass(frozen=True, slots=True)
class CaFile:
    """Path of a file with the usual certificate authorities and those of ``spec.caBundle``.

    One machine has its own store of authorities, and the value is left as the user's environment has it.
    """


@dataclass(frozen=True, slots=True)
class NoProxy:
    """Hosts that are reached without the proxy: ``hosts`` and, known where it runs, the pipeline's own."""

    hosts: str


EnvValue = str | RedisUrl | FromSecret | PortNumber | BindAddress | CaFile | NoProxy


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
class Image:
    """A container image. ``tag`` None: that of the operator's own version; empty: ``name`` is the whole reference.
    ``variant`` is added to the tag.
    """

    name: str
    tag: str | None = None
    variant: str = ""

    def reference(self, version: str) -> str:
        """The whole reference, for an operator of that version."""
        tag = version if self.tag is None else self.tag
        return f"{self.name}:{tag}{self.variant}" if tag else self.name


@dataclass(frozen=True, slots=True)
class Scaling:
    """Who decides how many replicas run.

    fixed: the spec; auto: the operator's autoscaler; external: a HorizontalPodAutoscaler, the gateways' own or one that
    somebody else made.
    """

    mode: Literal["fixed", "auto", "external"] = "fixed"
    policy: Autoscaling | GatewayAutoscaling | None = None
    """None with mode fixed."""


@dataclass(frozen=True, slots=True)
class Pods:
    """What a cluster needs to know of a component besides; one machine runs it without."""

    image: Image = field(default_factory=lambda: Image(""))
    """Without a name the component is for one machine only."""
    resources: Resources = field(default_factory=Resources)
    """Of the main container, defaults included."""
    scaling: Scaling = field(default_factory=Scaling)
    gpu: Gpu | None = None
    model_cache: ModelCache | None = None
    """None: the component has no models."""
    startup_seconds: int = 600
    """How long a replica may take until it is ready for the first time."""
    template: PodTemplate = field(default_factory=dict)
    """The component's own podTemplate, to be merged over what is rendered."""


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
    """To begin with, where ``pods.scaling`` says that somebody else decides."""
    depends_on: tuple[str, ...] = ()
    grace_seconds: float = 15.0
    """How long a replica may take to end after SIGTERM."""
    pods: Pods = field(default_factory=Pods)


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
