"""The suite of other people's SDKs: unmodified, from their registries, over real speech against one real pipeline."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "local"))

from pipeline import Pipeline, running
from speech import Clip
from speech import clips as read_clips


@pytest.fixture(scope="session")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """Valkey, a gateway that wants API keys, Whisper base and Apertium: started once for the whole suite."""
    with running(tmp_path_factory.mktemp("pipeline")) as made:
        yield made


@pytest.fixture(scope="session")
def clips() -> dict[str, Clip]:
    """Short English recordings by name, with their words."""
    return {clip.name: clip for of_rate in read_clips().values() for clip in of_rate}
