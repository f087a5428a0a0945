"""Real speech and real models for the STT tests."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from speechpipe_common.downloads import ASSETS, fetch
from speechpipe_stt.batched.engine import BatchedEngine
from speechpipe_stt.engine import Audio
from speechpipe_stt.whisper import FasterWhisperEngine

sys.path.insert(0, str(Path(__file__).parent))

from clips import Clip

pytest_plugins = ["speechpipe_common.testing"]

SHARED_SPEECH = Path(__file__).parents[4] / "shared" / "speech"


def read_audio(path: Path) -> Audio:
    """Mono samples at 16 kHz."""
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return soxr.resample(samples.mean(axis=1), rate, 16_000).astype(np.float32)


@pytest.fixture(scope="session")
def base_model() -> Path:
    """Folder of Whisper base."""
    return fetch(ASSETS["whisper-base"])


@pytest.fixture(scope="session")
def tiny_model() -> Path:
    """Folder of Whisper tiny.en."""
    return fetch(ASSETS["whisper-tiny.en"])


@pytest.fixture(scope="session")
def reference(base_model: Path) -> FasterWhisperEngine:
    """Whisper base with the VAD filter on, driven by faster-whisper."""
    return FasterWhisperEngine(base_model)


@pytest.fixture(scope="session")
def engine(base_model: Path) -> BatchedEngine:
    """The same model in batches, as a worker has it."""
    return BatchedEngine(FasterWhisperEngine(base_model, apart=True))


@pytest.fixture(scope="session")
def spoken() -> list[Clip]:
    """27 clips in nine languages."""
    folder = fetch(ASSETS["audioeval"])
    return [
        Clip(
            f"{path.parent.name}/{path.stem}", path.parent.name, path.with_suffix(".txt").read_text(), read_audio(path)
        )
        for path in sorted(folder.glob("*/*.wav"))
    ]


@pytest.fixture(scope="session")
def human() -> list[Clip]:
    """English read by people, from the folder SPEECH_DIR or the one shared beside the repository."""
    folder = Path(os.environ.get("SPEECH_DIR", SHARED_SPEECH))
    manifest = folder / "manifest.json"
    if not manifest.is_file():
        pytest.skip(f"no speech in {folder}: set SPEECH_DIR")
    entries = json.loads(manifest.read_text())
    return [Clip(e["file"], e["language"], e["text"], read_audio(folder / e["file"])) for e in entries]
