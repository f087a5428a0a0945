import os
import random
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

# The tests' own helpers; importlib import mode does not put this folder on the path.
sys.path.insert(0, str(Path(__file__).parent))

pytest_plugins = ["speechpipe_common.testing", "speechpipe_operator.testing.fixtures"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--soak`` and ``--seed``."""
    parser.addoption("--soak", action="store_true", help="break things more often (or set SPEECHPIPE_SOAK=1)")
    parser.addoption("--seed", type=int, default=None, help="seed of the random instants; printed by the test")


@dataclass(frozen=True)
class Amount:
    """How often things are broken."""

    operator_kills: int
    server_kills: int
    """Of the API server and of etcd, each."""
    takeovers: int


@pytest.fixture(scope="session")
def amount(request: pytest.FixtureRequest) -> Amount:
    """Small numbers for every run, large ones for a soak."""
    if request.config.getoption("--soak") or os.environ.get("SPEECHPIPE_SOAK") == "1":
        return Amount(operator_kills=50, server_kills=20, takeovers=10)
    return Amount(operator_kills=10, server_kills=5, takeovers=1)


@pytest.fixture
def dice(request: pytest.FixtureRequest) -> random.Random:
    """The chance of this test; its seed is printed, to be given as ``--seed``."""
    given = request.config.getoption("--seed")
    seed = random.SystemRandom().randrange(1 << 32) if given is None else given
    print(f"seed {seed}")  # noqa: T201
    return random.Random(seed)
