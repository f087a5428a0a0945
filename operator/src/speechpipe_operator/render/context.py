"""What rendering needs to know besides the pipeline: where it is, and what the cluster has."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from speechpipe_operator.components import Plan
from speechpipe_operator.objects import child_name
from speechpipe_operator.spec import SpeechPipeline


@dataclass(frozen=True, slots=True)
class Capabilities:
    """APIs that not every cluster has."""

    pod_monitor: bool = False
    """``monitoring.coreos.com/v1`` with PodMonitor."""
    dra: str | None = None
    """Version of ``resource.k8s.io`` to use: v1, v1beta2 or v1beta1; None: there is none."""


@dataclass(frozen=True, slots=True)
class Context:
    """Where a pipeline is rendered for."""

    namespace: str
    uid: str
    """Of the SpeechPipeline, for owner references."""
    operator_namespace: str
    """Pods of this namespace may reach Redis."""
    version: str
    """The operator's own: the tag of images where the spec names none."""
    capabilities: Capabilities = field(default_factory=Capabilities)
    secrets: Mapping[str, str] = field(default_factory=dict)
    """Checksum of each Secret by its name; one that changes rolls the pods that read it when they start."""
    secrets_of_clients: Mapping[str, str] | None = None
    """The same for all but Redis, where they differ: after a change of the password Redis rolls first, and the others
    keep the checksums that they have until it is ready. None: ``secrets``."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What every renderer is given."""

    pipeline: SpeechPipeline
    plan: Plan
    context: Context

    def name(self, component: str) -> str:
        """Name of the main objects of a component."""
        return child_name(self.plan.name, component)
