"""The ``SpeechPipeline`` resource itself."""

from typing import Annotated, ClassVar, Final, Literal

from pydantic import AfterValidator, ConfigDict, Field

from speechpipe_common.languages import all_languages
from speechpipe_operator.spec.base import Codes, DnsName, Strict, language
from speechpipe_operator.spec.exposure import NetworkPolicies
from speechpipe_operator.spec.gateway import Gateway
from speechpipe_operator.spec.kubernetes import PodTemplate
from speechpipe_operator.spec.monitoring import Monitoring
from speechpipe_operator.spec.redis import ManagedRedis, Redis
from speechpipe_operator.spec.rules import Cel, listed, quoted, rule
from speechpipe_operator.spec.scheduling import CaBundle, Images, Proxy
from speechpipe_operator.spec.workers import Stt, Translation

API_VERSION: Final = "speechpipe.dev/v1alpha1"
KIND: Final = "SpeechPipeline"
AUTO: Final = "auto"

NAME_LENGTH: Final = 40
"""Short enough that the names of all children still fit into a DNS label."""
NAME: Final = r"^[a-z]([-a-z0-9]*[a-z0-9])?$"
"""A DNS label of RFC 1035, since Services are named after the pipeline."""


def _can_be_heard(value: str) -> str:
    if value != AUTO and not language(value).whisper:
        raise ValueError(f"{value!r} can't be transcribed: no Whisper model knows it")
    return value


_HEARD: Final = listed([AUTO, *(item.code for item in all_languages() if item.whisper)])
SourceCode = Annotated[
    str,
    Field(max_length=8),
    AfterValidator(_can_be_heard),
    Cel(
        f"self in {_HEARD}",
        "unknown language, or one that can't be transcribed; write auto or a code such as en, de or ja",
        "self + ' is unknown or can\\'t be transcribed; write auto or a code such as en, de or ja'",
    ),
]


class Languages(Strict):
    """What is spoken, and what it is translated into, where a client does not say."""

    source: SourceCode = Field(default=AUTO, description="Code of the spoken language, such as en; auto detects it.")
    targets: Codes = Field(
        default=(),
        description="Codes of the languages to translate into; none: no translation.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )

    @rule("!has(self.targets) || !(self.source in self.targets)", "source must not be among targets")
    def _source_is_no_target(self) -> bool:
        return self.source not in self.targets


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
    monitoring: Monitoring = Field(default_factory=Monitoring, description="How it is watched.")
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

    @rule(
        "has(self.translation) || !has(self.languages.targets) || self.languages.targets.size() == 0",
        "languages.targets asks for translations, but there is no translation section",
    )
    def _targets_have_a_translator(self) -> bool:
        return self.translation is not None or not self.languages.targets


class Metadata(Strict):
    """Name and labels; what an API server adds is accepted and ignored."""

    model_config = ConfigDict(extra="ignore")

    name: str = Field(
        max_length=NAME_LENGTH,
        pattern=NAME,
        description="Name of the pipeline: at most 40 small letters, digits and hyphens, a letter first.",
    )
    namespace: str | None = Field(default=None, description="Namespace of the resource; no meaning on one machine.")


class SpeechPipeline(Strict):
    """A real-time transcription and translation pipeline."""

    api_version: Literal["speechpipe.dev/v1alpha1"] = Field(description="Version of this document's shape.")
    kind: Literal["SpeechPipeline"] = Field(description="Kind of this document.")
    metadata: Metadata = Field(description="Name of the pipeline.")
    spec: Spec = Field(description="What the pipeline should be.")

    # Of metadata an API server shows rules the name alone, and at the root.
    served: ClassVar[tuple[Cel, ...]] = (
        Cel(
            f"self.metadata.name.size() <= {NAME_LENGTH}",
            f"metadata.name must be at most {NAME_LENGTH} characters, so that the names of its parts fit",
        ),
        Cel(
            f"self.metadata.name.matches({quoted(NAME)})",
            "metadata.name must be small letters, digits and hyphens, a letter first and no hyphen last",
        ),
    )
