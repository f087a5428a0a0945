"""What the STT worker is told through its environment."""

from typing import Literal

from pydantic import Field

from speechpipe_common.settings import Port, WorkerSettings


class SttSettings(WorkerSettings):
    """Settings of ``speechpipe-stt``."""

    health_port: Port = Field(default=8081, description="Port of /health, /ready and /metrics; 0 takes a free one.")
    model_size: str = Field(
        default="base",
        min_length=1,
        description="Whisper model: a size (base, large-v3), a hub id (owner/name), or a folder (CTranslate2 format).",
    )
    model_sha256: str = Field(
        default="",
        pattern=r"^([0-9a-fA-F]{64})?$",
        description="Expected SHA-256 of the model's model.bin; empty: the one its source names, where it does.",
    )
    model_offline: bool = Field(
        default=False, description="Open no connection to fetch a model; one that is not on this machine is an error."
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        default="auto", description="Where the model runs; auto takes a CUDA device when there is one."
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
    ] = Field(default="auto", description="CTranslate2's number format; auto: int8 on a CPU, float16 on CUDA.")
    cpu_threads: int = Field(
        default=0,
        ge=0,
        le=256,
        description="Threads of the model on a CPU; 0: as many as the worker has cores, four at most.",
    )
    beam_size: int = Field(
        default=5, ge=1, le=20, description="Beams for finals and candidates; partials are decoded greedily."
    )
    vad_filter: bool = Field(default=True, description="Decode only what Silero takes for speech.")
    normalize_audio: bool = Field(default=False, description="Scale each segment's peak to -0.95 dBFS first.")
    stt_engine: Literal["batched", "reference"] = Field(
        default="reference",
        description="batched: utterances of many sessions together, in windows of their own length; reference: "
        "faster-whisper's transcribe, one after the other.",
    )
    max_batch_size: int = Field(
        default=0,
        ge=0,
        le=64,
        description="Most jobs read at a time and decoded in one call; the reference engine takes one. 0: what pays, "
        "16 on a CPU and 32 on a GPU.",
    )
