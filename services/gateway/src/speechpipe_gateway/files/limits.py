"""What files may be, and how many."""

from dataclasses import dataclass
from pathlib import Path

from speechpipe_gateway.settings_files import FileSettings


@dataclass(frozen=True, slots=True)
class FileLimits:
    """What files may be, and how many."""

    at_a_time: int
    size: int
    """Bytes of one."""
    seconds: float
    """Audio of one."""
    folder: Path | None
    """Where they lie while they are transcribed, without a name; None: where temporary files do."""
    translations: bool

    @classmethod
    def of(cls, settings: FileSettings) -> "FileLimits":
        """Those of the settings."""
        return cls(
            settings.max_files,
            settings.max_file_bytes,
            settings.max_file_seconds,
            settings.files_dir,
            settings.openai_translations,
        )
