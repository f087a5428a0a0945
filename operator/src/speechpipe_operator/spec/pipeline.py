"""The ``SpeechPipeline`` resource itself."""

from typing import Final, Literal, Self

from pydantic import ConfigDict, Field, field_validator, model_validator

from speechpipe_operator.spec.base import Codes, Strict, language
from speechpipe_operator.spec.exposure import Monitoring, NetworkPolicies
from speechpipe_operator.spec.gateway import Gateway
from speechpipe_operator.spec.redis import ManagedRedis, Redis
from speechpipe_operator.spec.scheduling import CaBundle, DnsName, Images, PodTemplate, Proxy
from speechpipe_operator.spec.workers import Stt, Translation

API_VERSION: Final = "speechpipe.dev/v1alpha1"
KIND: Final = "SpeechPipeline"
AUTO: Final = "auto"

NAME_LENGTH: Final = 40
"""Short enough that the names of all children still fit into a DNS label."""


class Languages(Strict):
    """What is spoken, and what it is translated into, where a client does not say."""

    source: str = Field(default=AUTO, description="Code of the spoken language, such as en; auto detects it.")
    targets: Codes = Field(default=(), description="Codes of the languages to translate into; none: no translation.")

    @field_validator("source")
    @classmethod
    def _can_be_heard(cls, value: str) -> str:
        if value != AUTO and not language(value).whisper:
            raise ValueError(f"{value!r} can't be transcribed: no Whisper model knows it")
        return value

    @model_validator(mode="after")
    def _source_is_no_target(self) -> Self:
        if self.source in self.targets:
            raise ValueError(f"{self.source} is both source and target")
        return self


class Spec(Strict):
    """What the pipeline should be."""

    languages: Languages = Field(default_factory=Languages, description="Languages where a client does not say.")
    redis: Redis = Field(
        default_factory=lambda: Redis(managed=ManagedRedis()),
        description="Where the streams live: managed or external.",
    )
    gateway: Gateway = Field(description="The WebSocket servers that clients talk to.")
    stt: Stt = Field(default_factory=Stt, description="Workers that turn speech into text.")
    translation: Translation | None = Field(
        default=None, description="Workers that translate; absent: the pipeline only transcribes."
    )
    images: Images = Field(default_factory=Images, description="Where container images come from.")
    monitoring: Monitoring = Field(default_factory=Monitoring, description="How Prometheus finds the pods.")
    network_policies: NetworkPolicies = Field(
        default_factory=NetworkPolicies, description="Who may connect to the pods."
    )
    proxy: Proxy | None = Field(default=None, description="HTTP proxy for what fetches models.")
    ca_bundle: CaBundle | None = Field(default=None, description="Authorities to trust besides the usual ones.")
    priority_class_name: DnsName | None = Field(default=None, description="PriorityClass of all pods.")
    pod_template: PodTemplate = Field(
        default_factory=dict, description="Merged over every pod template, before the component's own."
    )
    paused: bool = Field(
        default=False, description="Leave everything as it is: nothing is applied, mended, pruned or scaled."
    )

    @model_validator(mode="after")
    def _targets_have_a_translator(self) -> Self:
        if self.languages.targets and self.translation is None:
            raise ValueError("languages.targets asks for translations, but there is no translation section")
        return self


class Metadata(Strict):
    """Name and labels; what an API server adds is accepted and ignored."""

    model_config = ConfigDict(extra="ignore")

    name: str = Field(
        max_length=NAME_LENGTH,
        pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
        description="Name of the pipeline: at most 40 small letters, digits and hyphens.",
    )
    namespace: str | None = Field(default=None, description="Namespace of the resource; no meaning on one machine.")


class SpeechPipeline(Strict):
    """A real-time transcription and translation pipeline."""

    api_version: Literal["speechpipe.dev/v1alpha1"] = Field(description="Version of this document's shape.")
    kind: Literal["SpeechPipeline"] = Field(description="Kind of this document.")
    metadata: Metadata = Field(description="Name of the pipeline.")
    spec: Spec = Field(description="What the pipeline should be.")
