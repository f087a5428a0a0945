"""Fixtures of the gateway's tests: real speech, and what all members share; helper modules here are importable."""

import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from speechpipe_common.downloads import ASSETS, fetch
from speechpipe_common.wire import Start
from speechpipe_gateway.media import AudioInput

sys.path.insert(0, str(Path(__file__).parent))

pytest_plugins = ["speechpipe_common.testing"]


@pytest.fixture(scope="session")
def speech_folder() -> Path:
    """Folder with ``<language>/<clip>.wav`` of people speaking, 16 kHz mono float."""
    return fetch(ASSETS["audioeval"], progress=False)


@pytest.fixture(scope="session")
def clips(speech_folder: Path) -> dict[str, NDArray[np.int16]]:
    """``<language>/<clip>`` to 16 kHz mono samples; 27 clips of 1 to 5 seconds."""
    samples = {}
    for path in sorted(speech_folder.glob("*/*.wav")):
        audio = AudioInput(Start(format="wav"))
        samples[f"{path.parent.name}/{path.stem}"] = np.concatenate([audio.feed(path.read_bytes()), audio.finish()])
    return samples
