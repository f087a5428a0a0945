"""Every value of the chart: the one source of ``values.yaml``, ``values.schema.json`` and the chart's README.

What a pipeline is comes from the resource itself (``speechpipe_operator.crd``), the operator's settings from their own
class, so neither is said twice. An empty value means that nothing is said about it.
"""

from typing import Annotated, Any, Final, Literal

from pydantic import Field, WithJsonSchema, create_model
from pydantic.fields import FieldInfo

from speechpipe_operator.runtime.settings import OperatorSettings
from speechpipe_operator.spec import Images as PipelineImages
from speechpipe_operator.spec.base import LABEL, Strict
from speechpipe_operator.spec.kubernetes import Annotations, Labels, Namespace
from speechpipe_operator.spec.scheduling import Resources, Toleration

Open = Annotated[dict[str, Any], WithJsonSchema({"type": "object", "x-kubernetes-preserve-unknown-fields": True})]
"""A part of Kubernetes' own API, checked by the API server."""
Optional = Annotated[str, Field(max_length=253, pattern=rf"^({LABEL}(\.{LABEL})*)?$")]
"""A DNS name, or nothing."""
Duration = Annotated[str, Field(max_length=6, pattern=r"^[1-9][0-9]*(s|m|h)$")]
Tolerations = Annotated[tuple[Toleration, ...], Field(strict=False)]
Namespaces = Annotated[tuple[Namespace, ...], Field(strict=False)]

REGISTRY: Final[str] = PipelineImages().registry
ARRANGED: Final = {"instance_id", "health_host", "health_port", "watch_namespaces", "operator_namespace", "lease_name"}
"""Settings of the operator that the chart decides."""


def _tuning() -> dict[str, Any]:
    """Fields for the operator's settings; seconds are whole ones here, since a structural schema knows no floats."""
    fields: dict[str, Any] = {}
    for name, given in OperatorSettings.model_fields.items():
        if name in ARRANGED:
            continue
        whole = given.annotation is float
        default = int(given.default) if whole else given.default
        kept: list[Any] = [bound for bound in given.metadata if not isinstance(bound, FieldInfo)]
        kind: Any = Annotated[(int if whole else given.annotation, *kept)] if kept else given.annotation
        fields[name] = (kind, Field(default=default, description=given.description))
    return fields


Settings: Any = create_model("Settings", __base__=Strict, **_tuning())
"""``operator.settings``."""


class Images(Strict):
    """Where the project's images come from; pipelines of this chart take it over unless their spec.images says more."""

    registry: str = Field(
        default=REGISTRY, max_length=200, pattern=r"^[^\s]+$", description="Registry and path in front of image names."
    )
    tag: str = Field(
        default="",
        max_length=128,
        pattern=r"^([A-Za-z0-9_][A-Za-z0-9_.-]*)?$",
        description="Tag of the images; empty: the chart's appVersion.",
    )
    pull_policy: Literal["Always", "IfNotPresent", "Never"] = Field(
        default="IfNotPresent", description="When nodes pull images."
    )
    pull_secrets: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(strict=False)] = Field(
        default=(), description="Names of Secrets with the registry's credentials; in each namespace that has pods."
    )


class Variable(Strict):
    """One variable of the environment."""

    name: str = Field(min_length=1, description="Name, such as HTTPS_PROXY.")
    value: str = Field(default="", description="Its value.")
    value_from: Open = Field(default_factory=dict, description="Where it comes from instead, as in a pod.")


class ServiceAccount(Strict):
    """The account that the operator runs as."""

    create: bool = Field(default=True, description="Whether to make it.")
    name: Optional = Field(default="", description="Its name; empty: the operator's.")
    annotations: Annotations = Field(default_factory=dict, description="Its annotations.")


class DisruptionBudget(Strict):
    """How many operators may be away at once when nodes are drained."""

    enabled: bool = Field(default=True, description="Whether to make a PodDisruptionBudget.")
    max_unavailable: int = Field(default=1, ge=1, description="How many; one, so that no drain is held up.")


class NetworkPolicy(Strict):
    """Who may connect to the operator, and what it may connect to."""

    enabled: bool = Field(default=True, description="Whether to make a NetworkPolicy.")
    metrics_from: Namespaces = Field(
        default=(), description="Namespaces that may read metrics; none: all. Nothing else is served."
    )
    egress: Annotated[tuple[Open, ...], Field(strict=False)] = Field(
        default=(),
        description="Egress rules as in a NetworkPolicy: it needs DNS, the API server and each Redis; none: anywhere.",
    )


class Operator(Strict):
    """The operator's Deployment."""

    image: str = Field(default="", max_length=512, description="Whole reference of its image; empty: by images.")
    replicas: int = Field(
        default=1, ge=0, le=10, description="How many run; one is active, the others stand by and take over in seconds."
    )
    watch_namespaces: Namespaces = Field(
        default=(),
        description="Namespaces whose pipelines it serves, by Roles in each of them; none: all, by a ClusterRole.",
    )
    settings: Settings = Field(default_factory=Settings, description="How it works; docs/settings.md has them all.")
    resources: Resources = Field(
        default_factory=lambda: Resources(requests={"cpu": "50m", "memory": "128Mi"}, limits={"memory": "512Mi"}),
        description="Compute resources; a thousand pipelines took 221 MiB (docs/sizing.md).",
    )
    priority_class_name: Optional = Field(default="", description="Its PriorityClass.")
    node_selector: Labels = Field(default_factory=dict, description="Labels that its node must have.")
    tolerations: Tolerations = Field(default=(), description="Taints that its node may have.")
    affinity: Open = Field(
        default_factory=dict, description="Affinity as in a pod; empty: replicas on different nodes."
    )
    extra_env: Annotated[tuple[Variable, ...], Field(strict=False)] = Field(
        default=(), description="Further variables of its environment, such as HTTPS_PROXY."
    )
    pod_labels: Labels = Field(default_factory=dict, description="Further labels of its pods.")
    pod_annotations: Annotations = Field(default_factory=dict, description="Annotations of its pods.")
    service_account: ServiceAccount = Field(default_factory=ServiceAccount, description="The account it runs as.")
    disruption_budget: DisruptionBudget = Field(
        default_factory=DisruptionBudget, description="How many may be away at once when nodes are drained."
    )
    network_policy: NetworkPolicy = Field(default_factory=NetworkPolicy, description="Who may connect to it.")


class Rbac(Strict):
    """Roles."""

    create: bool = Field(default=True, description="Whether to make the operator's roles and bind them.")
    aggregate: bool = Field(
        default=True, description="Whether the cluster's roles view, edit and admin include SpeechPipelines."
    )


class Crds(Strict):
    """The definition of SpeechPipelines."""

    upgrade: bool = Field(
        default=True,
        description="Bring it up to date before install, upgrade and rollback, by a Job: Helm itself only makes it.",
    )


class Pipeline(Strict):
    """A SpeechPipeline that goes with the release."""

    namespace: Annotated[str, Field(max_length=63, pattern=rf"^({LABEL})?$")] = Field(
        default="", description="Its namespace, which must exist; empty: the release's."
    )
    labels: Labels = Field(default_factory=dict, description="Its labels.")
    annotations: Annotations = Field(default_factory=dict, description="Its annotations.")
    spec: Open = Field(description="What it should be: docs/resource.md.")


class Dashboards(Strict):
    """Grafana dashboards, each in a ConfigMap that a sidecar of Grafana loads."""

    enabled: bool = Field(default=True, description="Whether to make the ConfigMaps.")
    labels: Labels = Field(
        default_factory=lambda: {"grafana_dashboard": "1"}, description="Labels by which the sidecar finds them."
    )
    annotations: Annotations = Field(default_factory=dict, description="Annotations, such as grafana_folder: Speech.")


class Monitoring(Strict):
    """Prometheus and Grafana."""

    prometheus: Literal["auto", "enabled", "disabled"] = Field(
        default="auto",
        description="Monitor and rules for the Prometheus operator; auto: where the cluster knows their kinds.",
    )
    monitor: Literal["PodMonitor", "ServiceMonitor"] = Field(
        default="PodMonitor", description="How the operator is scraped; ServiceMonitor needs and makes a Service."
    )
    interval: Duration = Field(default="30s", description="Time between scrapes of the operator.")
    rules: bool = Field(default=True, description="Whether to make PrometheusRules.")
    labels: Labels = Field(
        default_factory=dict, description="Labels by which Prometheus selects them, such as release: prometheus."
    )
    dashboards: Dashboards = Field(default_factory=Dashboards, description="Grafana dashboards.")


class ApiKey(Strict):
    """A Secret with an API key in plain text, for pipelines that ask for one."""

    secret: Optional = Field(default="", description="Its name; empty: no key is sent.")
    key: str = Field(default="key", min_length=1, description="Key within it.")


class Test(Strict):
    """`helm test`: real speech through each pipeline of this chart, and a look at what comes back."""

    enabled: bool = Field(default=True, description="Whether there is a test.")
    image: str = Field(
        default="", max_length=512, description="Whole reference of the client's image; empty: by images."
    )
    url: Annotated[str, Field(pattern=r"^(wss?://\S+)?$")] = Field(
        default="", description="Gateway to test besides, such as wss://captions.example.com/ws."
    )
    namespace: Annotated[str, Field(max_length=63, pattern=rf"^({LABEL})?$")] = Field(
        default="", description="Namespace of the test's pods, where gatewayFrom lets few in; empty: the release's."
    )
    clip: Annotated[str, Field(pattern=r"^[a-z]{2}/[a-z_]+$")] = Field(
        default="en/quick_brown_fox", description="Clip of the client's image to play."
    )
    seconds: int = Field(
        default=300, ge=10, le=3600, description="How long it may take; workers that start from zero take long."
    )
    api_key: ApiKey = Field(default_factory=ApiKey, description="Key to send.")


class Uninstall(Strict):
    """What `helm uninstall` leaves."""

    purge: bool = Field(
        default=False,
        description="Delete every pipeline in the operator's namespaces first, and the volumes of all pipelines there; "
        "with a ClusterRole, the definition too. Set it by an upgrade before.",
    )


class Values(Strict):
    """All values."""

    name_override: Optional = Field(default="", description="Name of the chart in labels, instead of speechpipe.")
    fullname_override: Optional = Field(default="", description="Beginning of all names, instead of the release's.")
    images: Images = Field(default_factory=Images, description="Where the project's images come from.")
    operator: Operator = Field(default_factory=Operator, description="The operator.")
    rbac: Rbac = Field(default_factory=Rbac, description="Roles.")
    crds: Crds = Field(default_factory=Crds, description="The definition of SpeechPipelines.")
    pipelines: dict[str, Pipeline] = Field(
        default_factory=dict, description="SpeechPipelines that go with the release, by name."
    )
    monitoring: Monitoring = Field(default_factory=Monitoring, description="Prometheus and Grafana.")
    test: Test = Field(default_factory=Test, description="What helm test does.")
    uninstall: Uninstall = Field(default_factory=Uninstall, description="What helm uninstall leaves.")
    global_: Open = Field(default_factory=dict, alias="global", description="Values of parent charts; nothing is read.")
