"""From the name of a model to its folder on this machine."""

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import huggingface_hub
from faster_whisper.utils import _MODELS as HUB_IDS  # no public name for the table of sizes and hub ids
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

from speechpipe_common.downloads import ASSETS, DownloadError, fetch, obtainable, verify
from speechpipe_common.logs import get_logger
from speechpipe_stt.batched.engine import BatchedEngine
from speechpipe_stt.engine import Engine, ModelError
from speechpipe_stt.settings import SttSettings
from speechpipe_stt.whisper import FasterWhisperEngine

PACKAGED: Final[Mapping[str, str]] = {"base": "whisper-base", "tiny.en": "whisper-tiny.en"}
"""Model names that a package index has, with their assets; where there is no pip to ask it, the hub has them too."""

_FILES: Final = ("config.json", "model.bin", "tokenizer.json")
_PATTERNS: Final = ["config.json", "preprocessor_config.json", "model.bin", "tokenizer.json", "vocabulary.*"]
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_log = get_logger(__name__)


def resolve(name: str, *, offline: bool, sha256: str = "") -> Path:
    """The folder of a CTranslate2 Whisper model, downloaded first (with progress on stderr) when need be.

    Args:
        name: A folder, the name of a size (``base``, ``large-v3``), or a hub id (``owner/name``).
        offline: Open no connection; what is not on this machine is an error.
        sha256: Expected digest of ``model.bin``; empty: the one known for the source, where there is one.

    Raises:
        ModelError: no such model, it cannot be downloaded, or its digest is wrong.
    """
    offline = offline or os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")
    path = Path(name).expanduser()
    if path.is_dir():
        folder = path
    elif name.startswith(("/", ".", "~")):
        raise ModelError(f"MODEL_SIZE={name}: there is no such folder")
    elif name in PACKAGED and obtainable(ASSETS[PACKAGED[name]]):
        folder = _packaged(name, offline)
    else:
        folder, known = _from_hub(name, offline)
        sha256 = sha256 or known
    _check_files(folder)
    if sha256:
        _check_digest(folder / "model.bin", sha256)
    return folder


def _packaged(name: str, offline: bool) -> Path:
    asset = ASSETS[PACKAGED[name]]
    try:
        folder = fetch(asset, offline=offline)
        verify(asset, folder)
    except DownloadError as error:
        raise ModelError(f"MODEL_SIZE={name}: {error}") from error
    return folder


def _from_hub(name: str, offline: bool) -> tuple[Path, str]:
    """Folder of a hub model's snapshot and the SHA-256 that the hub gave for ``model.bin`` (empty: not told)."""
    repository = HUB_IDS.get(name, name)
    if "/" not in repository:
        known = ", ".join(sorted({*HUB_IDS, *PACKAGED}))
        raise ModelError(f"MODEL_SIZE={name} is no model: give a folder, a hub id (owner/name), or one of {known}")
    try:
        folder = Path(huggingface_hub.snapshot_download(repository, allow_patterns=_PATTERNS, local_files_only=offline))
    except LocalEntryNotFoundError as error:
        hint = (
            "MODEL_OFFLINE or HF_HUB_OFFLINE is set and it is not in the hub's cache"
            if offline
            else "the hub cannot be reached and it is not in the hub's cache"
        )
        raise ModelError(f"MODEL_SIZE={name}: {hint}; fetch it once with: hf download {repository}") from error
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        raise ModelError(f"MODEL_SIZE={name}: downloading {repository} from the hub failed: {error}") from error
    # Large files of the hub's cache are links to blobs that are named by their SHA-256.
    blob = (folder / "model.bin").resolve().name
    return folder, blob if _SHA256.fullmatch(blob) else ""


def _check_files(folder: Path) -> None:
    # Without a tokenizer file, faster-whisper would fetch one from the hub, offline or not.
    missing = [name for name in _FILES if not (folder / name).is_file()]
    if not any(folder.glob("vocabulary.*")):
        missing.append("vocabulary.json or .txt")
    if missing:
        raise ModelError(
            f"{folder} is no CTranslate2 Whisper model: it lacks {', '.join(missing)}; "
            "convert one with ct2-transformers-converter --copy_files tokenizer.json preprocessor_config.json"
        )


def _check_digest(file: Path, expected: str) -> None:
    with file.open("rb") as stream:
        actual = hashlib.file_digest(stream, "sha256").hexdigest()
    if actual != expected.lower():
        raise ModelError(
            f"{file} has SHA-256 {actual}, expected {expected.lower()}: remove the model and fetch it again"
        )


def load(settings: SttSettings) -> Engine:
    """The engine that the settings name, with its model; the reference engine where the batched one can't use it.

    Raises:
        ModelError: the model cannot be had, or not be loaded on this device with this compute type.
    """
    folder = resolve(settings.model_size, offline=settings.model_offline, sha256=settings.model_sha256)
    batched = _batched(folder, settings) if settings.stt_engine == "batched" else None
    return batched or _reference(folder, settings, apart=False)


def _batched(folder: Path, settings: SttSettings) -> BatchedEngine | None:
    """None where the model takes no short windows; it is unloaded then."""
    reference = _reference(folder, settings, apart=True)
    try:
        engine = BatchedEngine(reference)
        engine.warm_up()
    except (RuntimeError, ValueError) as error:
        _log.warning("reference_engine_used", reason=f"the model takes no short windows: {error}")
        return None
    return engine


def _reference(folder: Path, settings: SttSettings, *, apart: bool) -> FasterWhisperEngine:
    try:
        return FasterWhisperEngine(
            folder,
            device=settings.device,
            compute_type=settings.compute_type,
            cpu_threads=settings.cpu_threads,
            apart=apart,
            vad_filter=settings.vad_filter,
        )
    except (RuntimeError, ValueError) as error:
        raise ModelError(
            f"the model in {folder} does not load with DEVICE={settings.device} "
            f"COMPUTE_TYPE={settings.compute_type}: {error}"
        ) from error
