"""Settings of the translation worker."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from speechpipe_common.languages import resolve
from speechpipe_common.settings import Port, WorkerSettings


def _language_codes(value: str) -> str:
    return ",".join(resolve(code).code for code in value.split(",") if code.strip())


class TranslateSettings(WorkerSettings):
    """What the translation worker is told through its environment."""

    health_port: Port = Field(default=8082, description="Port of /health, /ready and /metrics; 0 takes a free one.")
    translation_engine: Literal["apertium", "ctranslate2", "easynmt"] = Field(
        default="apertium",
        description="apertium: rules from Debian packages, no weights. ctranslate2: OPUS-MT models converted. "
        "easynmt: OPUS-MT models through torch.",
    )
    easynmt_model: str = Field(
        default="opus-mt",
        pattern=r"^[A-Za-z0-9_.-]+$",
        description="Model family: FAMILY-SOURCE-TARGET (opus-mt-en-es) is a folder of MODEL_DIR, or a model of "
        "Helsinki-NLP on the hub.",
    )
    model_dir: Path = Field(
        default=Path("models/translate"),
        description="Folder with models of ctranslate2 and easynmt; what it lacks comes from the hub or its cache.",
    )
    model_offline: bool = Field(
        default=False, description="Open no connection to fetch a model; a pair that is not on this machine is refused."
    )
    apertium_datadir: Path = Field(
        default=Path("/usr/share/apertium"), description="Folder with the data packages of apertium."
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        default="auto", description="Where ctranslate2 and easynmt compute; auto: on a GPU where there is one."
    )
    compute_type: Literal[
        "auto",
        "default",
        "int8",
        "int8_float32",
        "int8_float16",
        "int8_bfloat16",
        "int16",
        "float16",
        "bfloat16",
        "float32",
    ] = Field(
        default="auto",
        description="Number format of ctranslate2; auto: int8 on a CPU, float16 on CUDA; default: the model's own.",
    )
    pivot_languages: Annotated[str, AfterValidator(_language_codes)] = Field(
        default="en,es",
        description="Languages to translate through where no model does it directly, best first, separated by commas.",
    )
    beam_size: int = Field(default=5, ge=1, le=32, description="Hypotheses that ctranslate2 and easynmt keep.")
    max_decoding_length: int = Field(
        default=256,
        ge=8,
        le=512,
        description="Most tokens of a text, which is cut there, and of its translation, by ctranslate2 or easynmt.",
    )
    max_batch_size: int = Field(default=16, ge=1, le=512, description="Most texts that are translated in one call.")
    cpu_threads: int = Field(
        default=0,
        ge=0,
        le=256,
        description="Threads of a ctranslate2 model on a CPU, each with texts of its own; 0: as many as the worker has "
        "cores, four at most.",
    )
    model_threads: int = Field(
        default=2, ge=1, le=64, description="Threads that run models: language pairs in work at once."
    )
    remembered_sentences: int = Field(
        default=4096,
        ge=0,
        le=1_000_000,
        description="Most translations kept in memory, so that no text is translated twice; 0 keeps none.",
    )
    max_loaded_pairs: int = Field(default=8, ge=1, le=1000, description="Most language pairs kept loaded.")
    memory_limit_mb: int = Field(
        default=4096,
        ge=64,
        description="Megabytes that the worker and its programs may use; above it, pairs that rest are freed.",
    )
    engine_timeout_seconds: float = Field(
        default=10.0, gt=0, le=600, description="How long apertium may take over one text before it is restarted."
    )
