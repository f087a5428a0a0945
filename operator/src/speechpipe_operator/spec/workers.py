"""``spec.stt`` and ``spec.translation``: the workers."""

from typing import ClassVar, Final, Literal

from pydantic import Field

from speechpipe_operator.spec.autoscaling import Autoscaling
from speechpipe_operator.spec.base import (
    ONE_NUMBER,
    Codes,
    DnsName,
    Environment,
    Quantity,
    Replicas,
    Strict,
    not_defaulted,
)
from speechpipe_operator.spec.kubernetes import PodTemplate
from speechpipe_operator.spec.rules import Cel, rule
from speechpipe_operator.spec.scheduling import ClaimedStorage, Gpu, ImageReference, Resources

Device = Literal["auto", "cpu", "cuda"]
GPU_IN_VAIN: Final = Cel(
    "!has(self.gpu) || self.device != 'cpu'",
    "gpu asks for accelerators that device cpu leaves idle; remove one of the two",
)


class Batch(Strict):
    """How many utterances are decoded together."""

    max_size: int | None = Field(
        default=None,
        ge=1,
        le=64,
        description="Most utterances decoded at a time; the reference engine takes one. Absent: what pays, 16 on a CPU "
        "and 32 on a GPU.",
    )


class CacheClaim(ClaimedStorage):
    """A volume that holds models, shared by the workers."""

    claim_name: DnsName | None = Field(
        default=None, description="A claim that is there already, with the models in it; absent: one is made."
    )
    access_mode: Literal["ReadWriteOnce", "ReadWriteMany"] = Field(
        default="ReadWriteMany", description="ReadWriteMany lets workers of all nodes share it."
    )

    served: ClassVar[tuple[Cel, ...]] = (
        Cel("self.accessMode == oldSelf.accessMode", "accessMode can't change: a volume keeps it"),
    )


class CacheImage(Strict):
    """An image that carries models; an init container copies them to the pod."""

    reference: ImageReference = Field(description="Reference of the image; it needs /bin/sh and cp.")
    path: str = Field(default="/models", max_length=1024, pattern=r"^/[^:\s]*$", description="Folder within the image.")


class CacheEmptyDir(Strict):
    """A folder of the node that each pod fills anew."""

    size_limit: Quantity | None = Field(default=None, description="Most that it may hold.")


class ModelCache(Strict):
    """Where workers keep models, so that a new pod need not fetch them again."""

    pvc: CacheClaim | None = Field(default=None, description="A volume shared by the workers.")
    image: CacheImage | None = Field(default=None, description="Models come in an image.")
    empty_dir: CacheEmptyDir | None = Field(default=None, description="Each pod fetches its own; the default.")

    @rule(
        "[has(self.pvc), has(self.image), has(self.emptyDir)].filter(x, x).size() <= 1",
        "give at most one of pvc, image and emptyDir",
    )
    def _one_place(self) -> bool:
        return sum(place is not None for place in (self.pvc, self.image, self.empty_dir)) <= 1


class Stt(Strict):
    """Workers that turn speech into text with faster-whisper."""

    replicas: Replicas = Field(
        default=1, description="How many workers run; absent: 1.", json_schema_extra=not_defaulted
    )
    autoscaling: Autoscaling | None = Field(
        default=None, description="Scale by the work that waits, instead of replicas."
    )
    model: str = Field(
        default="base",
        min_length=1,
        max_length=512,
        description="Whisper model: a size (tiny, base, small, medium, large-v3), a hub id, or the path of a folder.",
    )
    engine: Literal["batched", "reference"] = Field(
        default="reference",
        description="batched: utterances of many sessions together; reference: faster-whisper's own, one by one.",
    )
    device: Device = Field(default="auto", description="Where the model runs; auto: a GPU when there is one.")
    compute_type: Literal[
        "auto", "int8", "int8_float32", "int8_float16", "int8_bfloat16", "int16", "float16", "bfloat16", "float32"
    ] = Field(default="auto", description="Arithmetic of the model; auto: int8 on a CPU, float16 on a GPU.")
    beam_size: int = Field(
        default=5, ge=1, le=20, description="Hypotheses kept while decoding: more is slower, seldom better."
    )
    vad_filter: bool = Field(
        default=True, description="Look for speech once more before decoding; guards against invented text."
    )
    normalize_audio: bool = Field(default=False, description="Bring each utterance to a peak of -0.95 dBFS first.")
    batch: Batch = Field(default_factory=Batch, description="How many utterances are decoded together.")
    gpu: Gpu | None = Field(default=None, description="Accelerators of one worker; absent: it runs on CPUs.")
    model_cache: ModelCache = Field(default_factory=ModelCache, description="Where workers keep models.")
    offline: bool = Field(default=False, description="Fetch nothing: models must be in the cache already.")
    startup_seconds: int = Field(
        default=900, ge=10, le=86_400, description="How long a worker may take to fetch and load its model."
    )
    resources: Resources = Field(default_factory=Resources, description="Compute resources of one worker.")
    pod_template: PodTemplate = Field(default_factory=dict, description="Merged over the workers' pod template.")
    env: Environment = Field(default_factory=dict, description="Further settings of the process, by environment name.")

    @rule(ONE_NUMBER.rule, ONE_NUMBER.message)
    def _one_number(self) -> bool:
        return self.autoscaling is None or "replicas" not in self.model_fields_set

    @rule(GPU_IN_VAIN.rule, GPU_IN_VAIN.message)
    def _gpu_is_used(self) -> bool:
        return self.gpu is None or self.device != "cpu"


class Translation(Strict):
    """Workers that translate text."""

    replicas: Replicas = Field(
        default=1, description="How many workers run; absent: 1.", json_schema_extra=not_defaulted
    )
    autoscaling: Autoscaling | None = Field(
        default=None, description="Scale by the work that waits, instead of replicas."
    )
    engine: Literal["apertium", "ctranslate2", "easynmt"] = Field(
        default="apertium",
        description="apertium: rules, no weights; ctranslate2: OPUS-MT, converted, fast; easynmt: OPUS-MT by torch.",
    )
    model: str = Field(
        default="opus-mt",
        max_length=128,
        pattern=r"^[A-Za-z0-9_.-]+$",
        description="Model family of ctranslate2 and easynmt: a pair's folder is called FAMILY-SOURCE-TARGET.",
    )
    model_directory: str | None = Field(
        default=None,
        min_length=1,
        max_length=1024,
        description="Folder that holds the folders of ctranslate2 and easynmt models.",
    )
    pivots: Codes = Field(
        default=("en", "es"), description="Languages to translate through where there is no direct way, best first."
    )
    device: Device = Field(default="auto", description="Where models run; auto: a GPU when there is one.")
    gpu: Gpu | None = Field(default=None, description="Accelerators of one worker; absent: it runs on CPUs.")
    model_cache: ModelCache = Field(default_factory=ModelCache, description="Where workers keep models.")
    offline: bool = Field(default=False, description="Fetch nothing: models must be in the cache already.")
    startup_seconds: int = Field(
        default=600, ge=10, le=86_400, description="How long a worker may take to fetch and load its models."
    )
    resources: Resources = Field(default_factory=Resources, description="Compute resources of one worker.")
    pod_template: PodTemplate = Field(default_factory=dict, description="Merged over the workers' pod template.")
    env: Environment = Field(default_factory=dict, description="Further settings of the process, by environment name.")

    @rule(ONE_NUMBER.rule, ONE_NUMBER.message)
    def _one_number(self) -> bool:
        return self.autoscaling is None or "replicas" not in self.model_fields_set

    @rule(GPU_IN_VAIN.rule, GPU_IN_VAIN.message)
    def _gpu_is_used(self) -> bool:
        return self.gpu is None or self.device != "cpu"
