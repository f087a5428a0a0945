"""The fault suite: whole pipelines of real processes, broken on purpose while people speak."""

import os
import random
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[2] / "scripts" / "monitoring"))

from callers import TappedConnection
from speech import Clip
from speech import clips as read_clips
from world import World, running

from speechpipe_client import link as client_link

_figures = pytest.StashKey[list[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--soak`` and ``--seed``."""
    parser.addoption("--soak", action="store_true", help="break things ten times as often (or set SPEECHPIPE_SOAK=1)")
    parser.addoption("--seed", type=int, default=None, help="seed of the random instants; said in the summary")


def pytest_configure(config: pytest.Config) -> None:
    """Keep the figures of this run."""
    config.stash[_figures] = []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print what each scenario counted."""
    if config.stash[_figures]:
        terminalreporter.section("figures")
        for line in config.stash[_figures]:
            terminalreporter.write_line(line)


@dataclass(frozen=True)
class Amount:
    """How often things are broken."""

    worker_kills: int
    valkey_kills: int
    gateway_kills: int
    doubles: int


@pytest.fixture(autouse=True)
def tapped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every session of a test use ``TappedConnection``."""
    monkeypatch.setattr(client_link, "Connection", TappedConnection)


@pytest.fixture(scope="session")
def amount(request: pytest.FixtureRequest) -> Amount:
    """Small numbers for every run, large ones for a soak."""
    if request.config.getoption("--soak") or os.environ.get("SPEECHPIPE_SOAK") == "1":
        return Amount(worker_kills=200, valkey_kills=50, gateway_kills=100, doubles=20)
    return Amount(worker_kills=20, valkey_kills=10, gateway_kills=20, doubles=3)


@pytest.fixture
def dice(request: pytest.FixtureRequest) -> random.Random:
    """The chance of this test; its seed is in the summary, to be given as ``--seed``."""
    given = request.config.getoption("--seed")
    seed = random.SystemRandom().randrange(1 << 32) if given is None else given
    request.config.stash[_figures].append(f"{request.node.name}: seed {seed}")
    return random.Random(seed)


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Adds a line to the summary, under the name of the test."""
    return lambda line: request.config.stash[_figures].append(f"{request.node.name}: {line}")


@pytest.fixture(scope="session")
def clips() -> dict[int, list[Clip]]:
    """What the clients say, by sample rate."""
    return read_clips()


@pytest_asyncio.fixture
async def world(tmp_path: Path, clips: dict[int, list[Clip]]) -> AsyncIterator[World]:
    """A Valkey, and room for gateways and workers."""
    async with running(tmp_path, clips) as made:
        yield made
