"""``spec.stt`` and ``spec.translation``: the workers."""

from typing import Literal, Self

from pydantic import Field, model_validator

from speechpipe_operator.spec.autoscaling import Autoscaling
from speechpipe_operator.spec.base import Codes, Environment, Quantity, Replicas, Strict
from speechpipe_operator.spec.scheduling import ClaimedStorage, DnsName, Gpu, PodTemplate, Resources

Device = Literal["auto", "cpu", "cuda"]


class Batch(Strict):
    """How many utterances are decoded together."""

    max_size: int = Field(default=1, ge=1, le=64, description="Most utterances claimed and decoded at a time.")


class CacheClaim(ClaimedStorage):
    """A volume that holds models, shared by the workers."""

    claim_name: DnsName | None = Field(
        default=None, description="A claim that is there already, with the models in it; absent: one is made."
    )
    access_mode: Literal["ReadWriteOnce", "ReadWriteMany"] = Field(
        default="ReadWriteMany", description="ReadWriteMany lets workers of all nodes share it."
    )


class CacheImage(Strict):
    """An image that carries models; an init container copies them to the pod."""

    reference: str = Field(min_length=1, max_length=512, description="Reference of the image; it needs /bin/sh and cp.")
    path: str = Field(default="/models", pattern=r"^/[^:\s]*$", description="Folder within the image.")


class CacheEmptyDir(Strict):
    """A folder of the node that each pod fills anew."""

    size_limit: Quantity | None = Field(default=None, description="Most that it may hold.")


class ModelCache(Strict):
    """Where workers keep models, so that a new pod need not fetch them again."""

    pvc: CacheClaim | None = Field(default=None, description="A volume shared by the workers.")
    image: CacheImage | None = Field(default=None, description="Models come in an image.")
    empty_dir: CacheEmptyDir | None = Field(default=None, description="Each pod fetches its own; the default.")

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if sum(place is not None for place in (self.pvc, self.image, self.empty_dir)) > 1:
            raise ValueError("give at most one of pvc, image and emptyDir")
        return self


class Stt(Strict):
    """Workers that turn speech into text with faster-whisper."""

    replicas: Replicas = Field(default=1, description="How many workers run.")
    autoscaling: Autoscaling | None = Field(
        default=None, description="Scale by the work that waits; replicas has no meaning then."
    )
    model: str = Field(
        default="base",
        min_length=1,
        description="Whisper model: a size (tiny, base, small, medium, large-v3), a hub id, or the path of a folder.",
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


class Translation(Strict):
    """Workers that translate text."""

    replicas: Replicas = Field(default=1, description="How many workers run.")
    autoscaling: Autoscaling | None = Field(
        default=None, description="Scale by the work that waits; replicas has no meaning then."
    )
    engine: Literal["apertium", "ctranslate2", "easynmt"] = Field(
        default="apertium",
        description="apertium: rules, no weights; ctranslate2: OPUS-MT, converted, fast; easynmt: OPUS-MT by torch.",
    )
    model: str = Field(
        default="opus-mt",
        pattern=r"^[A-Za-z0-9_.-]+$",
        description="Model family of ctranslate2 and easynmt: a pair's folder is called FAMILY-SOURCE-TARGET.",
    )
    model_directory: str | None = Field(
        default=None, min_length=1, description="Folder that holds the folders of ctranslate2 and easynmt models."
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
