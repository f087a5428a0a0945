"""What the gateway is told of whole files, which OpenAI's REST interface takes."""

from pathlib import Path

from pydantic import Field, field_validator

from speechpipe_common.settings import ServiceSettings


class FileSettings(ServiceSettings):
    """Settings of ``/v1/audio`` and ``/v1/models``."""

    openai_models: str = Field(
        default="whisper-1",
        description="Names by which OpenAI's clients may ask for the pipeline's model, with commas between; "
        "/v1/models lists them.",
    )
    openai_translations: bool = Field(
        default=True,
        description="Whether the pipeline has translation workers; where not, /v1/audio/translations says so at once.",
    )
    max_files: int = Field(
        default=4,
        ge=1,
        description="Files that are transcribed at a time. Each takes the place of a session, up to MAX_FILE_BYTES of "
        "FILES_DIR, and a decoder of about 80 MB, 400 MB at most.",
    )
    max_file_bytes: int = Field(
        default=26_214_400, ge=1_024, le=1_073_741_824, description="Bytes of a file; a larger one gets status 413."
    )
    max_file_seconds: float = Field(
        default=7_200, ge=1, le=86_400, description="Audio that a file may hold; one with more is refused."
    )
    files_dir: Path | None = Field(
        default=None,
        description="Folder where a file lies, without a name, while it is transcribed; empty: the system's for "
        "temporary files.",
    )

    @field_validator("openai_models")
    @classmethod
    def _models_have_names(cls, value: str) -> str:
        if not _names(value):
            raise ValueError(f"{value!r} names no model; write one name at least, as in whisper-1")
        return value

    @property
    def openai_names(self) -> tuple[str, ...]:
        """``openai_models``, one by one."""
        return _names(self.openai_models)


def _names(value: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.strip() for part in value.split(",") if part.strip()))
