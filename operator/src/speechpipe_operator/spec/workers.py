"""``spec.stt`` and ``spec.translation``: the workers."""

from typing import Literal

from pydantic import Field

from speechpipe_operator.spec.base import Codes, Environment, Replicas, Strict

Device = Literal["auto", "cpu", "cuda"]


class Batch(Strict):
    """How many utterances are decoded together."""

    max_size: int = Field(default=1, ge=1, le=64, description="Most utterances claimed and decoded at a time.")


class Stt(Strict):
    """Workers that turn speech into text with faster-whisper."""

    replicas: Replicas = Field(default=1, description="How many workers run.")
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
    env: Environment = Field(default_factory=dict, description="Further settings of the process, by environment name.")


class Translation(Strict):
    """Workers that translate text."""

    replicas: Replicas = Field(default=1, description="How many workers run.")
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
    env: Environment = Field(default_factory=dict, description="Further settings of the process, by environment name.")
