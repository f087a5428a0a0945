"""From an OPUS-MT model of the hub to a folder of CTranslate2, kept in the user's cache."""

import importlib.util
import tempfile
from pathlib import Path
from typing import Final

from speechpipe_common.downloads import cache_root
from speechpipe_common.logs import get_logger
from speechpipe_translate.errors import EngineFailed

HOW_TO_CONVERT: Final = (
    "others must be converted, for which this process lacks transformers and torch; where they are installed: "
    "ct2-transformers-converter --model Helsinki-NLP/opus-mt-SOURCE-TARGET --copy_files source.spm target.spm "
    "--output_dir MODEL_DIR/opus-mt-SOURCE-TARGET"
)
_log = get_logger(__name__)


def can_convert() -> bool:
    """Whether the libraries that read the original are installed; they are not imported."""
    return all(importlib.util.find_spec(name) for name in ("transformers", "torch"))


def converted_at() -> Path:
    """The folder that holds the converted models."""
    return cache_root() / "ctranslate2"


def convert(original: Path, name: str) -> Path:
    """Convert the model in ``original``, and return its folder, which appears under ``name`` when it is whole.

    Raises:
        EngineFailed: the original cannot be read, or the folder not be written.
    """
    from ctranslate2.converters import TransformersConverter

    folder = converted_at() / name
    _log.info("model_converting", model=name)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".converting-") as scratch:
            staging = Path(scratch, name)
            TransformersConverter(str(original), copy_files=["source.spm", "target.spm"]).convert(str(staging))
            if not folder.is_dir():  # else another worker was faster
                staging.rename(folder)
    except (RuntimeError, OSError, ValueError, KeyError) as error:
        raise EngineFailed(f"{original} cannot be converted to {folder}: {error}") from error
    return folder
