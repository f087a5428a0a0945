"""Both engines with the model that was trained here, fetched from a hub on loopback by the real client.

Everything runs in fresh processes, since the client of the hub reads its environment at import.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hub_server import HubServer, serving  # type: ignore[import-not-found]  # beside the other tests

from speechpipe_common.testing import free_port

TRANSLATE = """
import json, sys
from speechpipe_translate.engines.opening import open_engine
from speechpipe_translate.pool import ModelPool
from speechpipe_translate.settings import TranslateSettings
from speechpipe_translate.translator import Translator

engine = open_engine(TranslateSettings())
pool = ModelPool(engine, max_pairs=4, memory_limit=1 << 40)
translator = Translator(engine, pool, ("en", "es"))
known = sorted(map(str, engine.pairs))
outcomes = [translator.translate(*pair.split("-"), texts) for pair, texts in json.loads(sys.argv[1])]
print(json.dumps([known, [[o if isinstance(o, str) else {type(o).__name__: str(o)} for o in os] for os in outcomes]]))
"""

ENGINES = pytest.mark.parametrize("engine", ["easynmt", "ctranslate2"])


@pytest.fixture
def hub(original: Path) -> Iterator[HubServer]:
    """A hub with the trained model under two pairs, so that there is a way from French to German through English."""
    files = {file.name: file.read_bytes() for file in (original / "opus-mt-en-de").iterdir()}
    files["tf_model.h5"] = b"not needed"
    with serving({f"Helsinki-NLP/opus-mt-{pair}": files for pair in ("en-de", "fr-en")}) as server:
        yield server


class Machine:
    """Worker processes with one home: what the one fetches, the next one has."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.models = home / "models"

    def run(
        self, engine: str, environment: dict[str, str], *work: tuple[str, list[str]]
    ) -> subprocess.CompletedProcess[str]:
        """Open the engine and translate."""
        settings = {
            "TRANSLATION_ENGINE": engine,
            "MODEL_DIR": str(self.models),
            "DEVICE": "cpu",
            "MAX_DECODING_LENGTH": "32",
            "HF_HOME": str(self.home / "hf"),
            "XDG_CACHE_HOME": str(self.home / "cache"),
        }
        return subprocess.run(  # noqa: S603 - our own script
            [sys.executable, "-c", TRANSLATE, json.dumps(work)],
            env={**os.environ, **settings, **environment},
            capture_output=True,
            text=True,
            timeout=200,
        )

    def translate(
        self, engine: str, environment: dict[str, str], *work: tuple[str, list[str]]
    ) -> tuple[list[str], list[Any]]:
        """Pairs known at start, and the outcomes of each piece of work; errors as ``{class: message}``."""
        done = self.run(engine, environment, *work)
        assert done.returncode == 0, done.stderr
        known, outcomes = json.loads(done.stdout.splitlines()[-1])
        return known, outcomes


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine without models."""
    return Machine(tmp_path)


@ENGINES
def test_a_model_of_the_hub_translates(machine: Machine, hub: HubServer, pairs: dict[str, str], engine: str) -> None:
    """An empty machine fetches the pair and gives the expected sentences; offline it then does so alone."""
    assert machine.translate(engine, hub.environment, ("en-de", list(pairs))) == ([], [list(pairs.values())])
    assert not [path for path in hub.asked if "tf_model" in path]
    hub.asked.clear()
    work = ("en-de", list(pairs)), ("fr-de", ["le chien"])
    known, [texts, [refusal]] = machine.translate(engine, {**hub.environment, "MODEL_OFFLINE": "true"}, *work)
    assert known == ["en-de"]
    assert texts == list(pairs.values())
    assert "hf download Helsinki-NLP/opus-mt-SOURCE-TARGET" in refusal["UnsupportedPair"]
    assert hub.asked == []


@ENGINES
def test_a_pair_that_the_hub_lacks(machine: Machine, hub: HubServer, engine: str) -> None:
    """Without a direct model the route leads through English, each half fetched; without halves it is refused."""
    _, [[through], [refusal]] = machine.translate(engine, hub.environment, ("fr-de", ["the dog"]), ("en-pl", ["no"]))
    assert isinstance(through, str)
    assert "Helsinki-NLP/opus-mt-fr-de" in hub.models_asked
    message = refusal["UnsupportedPair"]
    assert message.startswith("cannot translate en to pl, neither directly nor through en or es")
    assert f"{hub.environment['HF_ENDPOINT']} has no Helsinki-NLP/opus-mt-SOURCE-TARGET" in message


@ENGINES
def test_without_a_hub_local_pairs_go_on(
    machine: Machine, original: Path, converted: Path, pairs: dict[str, str], engine: str
) -> None:
    """While nobody answers, folders translate as ever, and other pairs are an error that names the hub."""
    machine.models.symlink_to(original if engine == "easynmt" else converted)
    dead = {"HF_ENDPOINT": f"http://127.0.0.1:{free_port()}", "HF_HUB_OFFLINE": "0"}
    known, [texts, [error]] = machine.translate(engine, dead, ("en-de", list(pairs)), ("en-fr", ["the dog"]))
    assert known == ["en-de"]
    assert texts == list(pairs.values())
    assert dead["HF_ENDPOINT"] in error["HubUnreachable"]
