"""A tiny model, and its conversion."""

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))  # for the hub on loopback
sys.path.insert(0, str(Path(__file__).parent))

from tiny_model import PAIRS, convert_model, make_model

pytest_plugins = ["speechpipe_common.testing", "worker_world"]


@pytest.fixture(scope="session")
def pairs() -> dict[str, str]:
    """English sentences that the model knows by heart, with their German."""
    return PAIRS


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Model folder with ``opus-mt-en-de`` in the layout of the hub."""
    torch.set_num_threads(1)
    models = tmp_path_factory.mktemp("original")
    assert make_model(models) < 0.05
    return models


@pytest.fixture(scope="session")
def converted(original: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Model folder with the same network, converted by CTranslate2."""
    models = tmp_path_factory.mktemp("converted")
    convert_model(original, models)
    return models
