"""The real client of the hub against a hub on loopback: what is asked, fetched, kept and refused."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hub_server import HubServer, serving

from speechpipe_common.testing import free_port

FILES = {
    "config.json": b'{"model_type": "marian"}',
    "vocab.json": b'{"</s>": 0}',
    "source.spm": b"source pieces",
    "target.spm": b"target pieces",
    "tokenizer_config.json": b"{}",
    "pytorch_model.bin": b"weights",
    "tf_model.h5": b"the same for another framework",
    "README.md": b"not needed",
}
REPOSITORIES = {
    "Helsinki-NLP/opus-mt-en-de": FILES,
    "Helsinki-NLP/opus-mt-en-jap": {**FILES, "model.safetensors": b"newer weights"},
    "Helsinki-NLP/opus-mt-de-en": {"README.md": b"moved"},
}

ASK = """
import json, sys
from speechpipe_translate.engines.hub import Hub
from speechpipe_translate.errors import TranslationError
from speechpipe_translate.routes import Pair

hub, answers = Hub("opus-mt", offline=json.loads(sys.argv[1])), []
for step in sys.argv[2:]:
    verb, _, pair = step.partition(" ")
    try:
        value = hub.offers(Pair(*pair.split("-"))) if verb == "offers" else str(hub.fetch(Pair(*pair.split("-"))))
    except TranslationError as error:
        value = f"{type(error).__name__}: {error}"
    answers.append(value)
print(json.dumps({"cached": sorted(map(str, hub.cached)), "answers": answers, "advice": hub.advice}))
"""


@pytest.fixture
def hub() -> Iterator[HubServer]:
    """A hub with two models, and a repository that has none."""
    with serving(REPOSITORIES) as server:
        yield server


class Asking:
    """Asks in fresh processes, since the library reads its environment at import; they share a cache."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self.progress = ""

    def __call__(self, environment: dict[str, str], *steps: str, offline: bool = False) -> dict[str, Any]:
        """What became of steps like ``offers en-de`` and ``fetch en-de``."""
        done = subprocess.run(
            [sys.executable, "-c", ASK, json.dumps(offline), *steps],
            env={**os.environ, "HF_HOME": str(self._home), **environment},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        self.progress = done.stderr
        answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return answer


@pytest.fixture
def ask(tmp_path: Path) -> Asking:
    """With an empty cache."""
    return Asking(tmp_path / "hf")


def test_each_pair_is_asked_for_once(hub: HubServer, ask: Asking) -> None:
    """The hub is asked for a pair's model under each of its names, and then never again, yes or no."""
    steps = ("offers en-de", "offers en-ja", "offers en-fr", "offers de-en")
    assert ask(hub.environment, *steps, *steps)["answers"] == [True, True, False, False] * 2
    pairs = ["en-de", "en-ja", "en-jap", "en-fr", "de-en"]
    assert hub.models_asked == [f"Helsinki-NLP/opus-mt-{pair}" for pair in pairs]


def test_only_what_is_needed_is_fetched(hub: HubServer, ask: Asking) -> None:
    """The folder has the layout of OPUS-MT with one set of weights, the safer of two, and bars are shown."""
    folders = [Path(folder) for folder in ask(hub.environment, "fetch en-de", "fetch en-ja")["answers"]]
    names = [sorted(file.name for file in folder.iterdir()) for folder in folders]
    small = ["config.json", "source.spm", "target.spm", "tokenizer_config.json", "vocab.json"]
    assert names == [sorted([*small, "pytorch_model.bin"]), sorted([*small, "model.safetensors"])]
    assert "%" in ask.progress


@pytest.mark.parametrize("how", [{"offline": True}, {"environment": {"HF_HUB_OFFLINE": "1"}}, {}])
def test_what_was_fetched_needs_no_connection(hub: HubServer, ask: Asking, how: dict[str, Any]) -> None:
    """A pair in the cache is offered and loaded without a request, whichever way offline was said, and online too."""
    [folder] = ask(hub.environment, "fetch en-de")["answers"]
    hub.asked.clear()
    offline = how.get("offline", False)
    again = ask({**hub.environment, **how.get("environment", {})}, "offers en-de", "fetch en-de", offline=offline)
    assert again["cached"] == ["en-de"]
    assert again["answers"] == [True, folder]
    assert hub.asked == []


@pytest.mark.parametrize("how", [{"offline": True}, {"environment": {"HF_HUB_OFFLINE": "1"}}])
def test_offline_asks_nobody(hub: HubServer, ask: Asking, how: dict[str, Any]) -> None:
    """Offline, what is not in the cache is not there, the hub sees no request, and the advice says how to get it."""
    offline = how.get("offline", False)
    answer = ask({**hub.environment, **how.get("environment", {})}, "offers en-de", offline=offline)
    assert answer["answers"] == [False]
    assert hub.asked == []
    assert "MODEL_OFFLINE or HF_HUB_OFFLINE" in answer["advice"]
    assert "hf download Helsinki-NLP/opus-mt-SOURCE-TARGET" in answer["advice"]


def test_a_hub_in_trouble_is_not_a_no(hub: HubServer, ask: Asking) -> None:
    """A hub that answers with an error is named with its answer, and left alone for the next text."""
    hub.status = 503
    first, second = ask(hub.environment, "offers en-de", "offers en-fr")["answers"]
    assert first == second
    assert first.startswith("HubUnreachable: asking for en-de from http://127.0.0.1")
    assert "503" in first
    assert "MODEL_DIR" in first
    assert hub.models_asked == ["Helsinki-NLP/opus-mt-en-de"]


def test_a_dead_hub_leaves_the_cache_usable(hub: HubServer, ask: Asking) -> None:
    """Where nobody listens, cached pairs go on working, and others are a clear error that is worth another try."""
    [folder] = ask(hub.environment, "fetch en-de")["answers"]
    dead = {"HF_ENDPOINT": f"http://127.0.0.1:{free_port()}", "HF_HUB_OFFLINE": "0"}
    here, error = ask(dead, "fetch en-de", "offers en-fr")["answers"]
    assert here == folder
    assert error.startswith(f"HubUnreachable: asking for en-fr from {dead['HF_ENDPOINT']} failed: ")


@pytest.mark.parametrize("name", ["pytorch_model.bin", "vocab.json"])
def test_what_arrives_changed_is_refused(hub: HubServer, ask: Asking, name: str) -> None:
    """A file whose content does not have the digest that the hub gave, large or small, is never loaded."""
    hub.torn = {name}
    for _ in range(2):
        [error] = ask(hub.environment, "fetch en-de")["answers"]
        assert error.startswith("EngineFailed")
        assert f"{name} is damaged" in error


def test_half_a_download_does_not_count(hub: HubServer, ask: Asking) -> None:
    """A snapshot without its weights is not offered offline, and is completed online."""
    [folder] = ask(hub.environment, "fetch en-de")["answers"]
    (Path(folder) / "pytorch_model.bin").unlink()
    assert ask(hub.environment, "offers en-de", offline=True) == {
        **ask(hub.environment, offline=True),
        "cached": [],
        "answers": [False],
    }
    assert ask(hub.environment, "fetch en-de")["answers"] == [folder]
    assert (Path(folder) / "pytorch_model.bin").read_bytes() == b"weights"
