"""The end-to-end suite: real pods in a real cluster, from a KUBECONFIG alone."""

import os
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts" / "monitoring"))
sys.path.insert(0, str(Path(__file__).parents[1] / "local"))
sys.path.insert(0, str(Path(__file__).parent))

import agents as node_agents
import nursery
import progress
import turns
from agents import Agents
from keeping import keep
from kubectl import ROOT, apply, delete, kubectl
from nursery import Nursery
from pipelines import Pipeline
from pods import workers
from releases import Release, values
from settings import RUN_LABEL, Settings
from speech import Clip
from voices import usual_clips
from volumes import Volumes

collect_ignore = ["tests_unit"]  # needs no cluster: `make test` runs it by name

KEPT = ROOT / "build" / "e2e"
OWN_OPERATOR = {"test_helm"}
"""Files of tests that install an operator of their own, which must not share its pipelines with another."""
STRANGERS = "strangers"
"""A namespace that the operator serves, and that no pipeline is in."""

_figures = pytest.StashKey[list[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--soak``."""
    parser.addoption("--soak", action="store_true", help="break things twenty times each (or set E2E_ROUNDS)")


@pytest.hookimpl(trylast=True)  # the terminal's reporter is there by then
def pytest_configure(config: pytest.Config) -> None:
    """Let progress be seen at once, and keep the figures of this run."""
    config.addinivalue_line("markers", f"{nursery.MARK}(spec=..., ahead=True): has a pipeline of its own")
    config.addinivalue_line("markers", f"{turns.MARK}: no other test needs the nodes meanwhile")
    config.stash[_figures] = []
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    capture = config.pluginmanager.get_plugin("capturemanager")
    one_at_a_time = threading.Lock()

    def show(line: str) -> None:
        with one_at_a_time, capture.global_and_fixture_disabled() if capture else nullcontext():
            reporter.ensure_newline()
            reporter.write_line(line)

    if reporter:
        progress.listen(show)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print what the tests measured."""
    if config.stash[_figures]:
        terminalreporter.section("figures")
        for line in config.stash[_figures]:
            terminalreporter.write_line(line)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep everything about a failure while it is still there."""
    report = yield
    told = getattr(item, "funcargs", {})
    if report.failed and "settings" in told:
        spaces = {told["namespace"]} if "namespace" in told else set()
        spaces |= {told[name].namespace for name in ("operator", "release", "pipeline", "agents") if name in told}
        keep(KEPT / item.name, sorted(spaces))
    return report


@pytest.fixture(autouse=True)
def turn(request: pytest.FixtureRequest) -> Iterator[None]:
    """The nodes are there for this test, whatever other tests run beside it."""
    with turns.alone() if request.node.get_closest_marker(turns.MARK) else turns.shared():
        yield


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Adds a line to the summary, under the name of the test."""

    def add(line: str) -> None:
        progress.say(f"  {line}")
        request.config.stash[_figures].append(f"{request.node.name}: {line}")

    return add


@pytest.fixture
def folder(request: pytest.FixtureRequest) -> Path:
    """Where a test leaves what it saw."""
    return KEPT / str(request.node.name)


@pytest.fixture(scope="session")
def rounds(request: pytest.FixtureRequest) -> int:
    """How often each thing is broken."""
    return 20 if request.config.getoption("--soak") else int(os.environ.get("E2E_ROUNDS") or 2)


@pytest.fixture(scope="session")
def settings() -> Settings:
    """Images, and the name of this run."""
    chosen = Settings()
    kubectl("version", seconds=30)  # no cluster: said at once
    left = kubectl("get", "namespaces", "-l", RUN_LABEL, "-o", "name").split()
    if left:
        progress.say(f"  {len(left)} namespaces of other runs are there: kubectl delete ns -l {RUN_LABEL} removes them")
    return chosen


@pytest.fixture(scope="session")
def clips() -> list[Clip]:
    """What callers say."""
    return usual_clips()


@pytest.fixture(scope="session")
def agents(settings: Settings) -> Iterator[Agents]:
    """Hands on every node."""
    made = node_agents.start(settings)
    yield made
    node_agents.stop(made)


@pytest.fixture(scope="session")
def volumes(agents: Agents, settings: Settings) -> Iterator[Volumes]:
    """Maker of volumes."""
    made = Volumes(agents, settings.run)
    made.begin()
    yield made
    made.end()


@pytest.fixture(scope="session")
def spaces(request: pytest.FixtureRequest, settings: Settings) -> Iterator[dict[str, str]]:
    """A namespace for each file of tests, by the file's name; the operator is told of all of them when it starts."""
    files = {item.path.stem for item in request.session.items if item.path.parent == Path(__file__).parent}
    names = {file: space_name(settings, file.removeprefix("test_")) for file in (files - OWN_OPERATOR) | {STRANGERS}}
    apply(*(restricted(name, settings.run) for name in names.values()))
    yield names
    delete("namespace", *names.values(), wait=False)


@pytest.fixture(scope="session")
def operator(settings: Settings, spaces: dict[str, str]) -> Iterator[Release]:
    """The operator, installed by Helm with rights in the suite's namespaces alone."""
    namespace = space_name(settings, "operator")
    apply(restricted(namespace, settings.run))
    release = Release(f"e2e-{settings.run}", namespace, values(settings, sorted(spaces.values())))
    release.install()
    yield release
    release.uninstall(wait=False)
    delete("namespace", namespace, wait=False)


@pytest.fixture(scope="module")
def namespace(request: pytest.FixtureRequest, spaces: dict[str, str], operator: Release) -> str:
    """The namespace of this file of tests, which the operator serves."""
    return spaces[request.path.stem]


@pytest.fixture(scope="session")
def pipelines(
    request: pytest.FixtureRequest,
    operator: Release,
    spaces: dict[str, str],
    settings: Settings,
    volumes: Volumes,
    nodes: list[str],
) -> Nursery:
    """Where tests get their pipelines from."""
    return Nursery(settings, volumes, nodes[0], spaces, request.session.items)


@pytest.fixture
def pipeline(request: pytest.FixtureRequest, pipelines: Nursery) -> Iterator[Pipeline]:
    """The pipeline that this test has for itself, on a volume that nobody has used; whole."""
    made = pipelines.take(request.node)
    yield made
    made.remove()


@pytest.fixture(scope="session")
def nodes(settings: Settings) -> list[str]:
    """Nodes that take pods."""
    with turns.shared():  # none of them is taken away just now
        found = workers()
    assert len(found) >= 2, f"two nodes that take pods are needed, there are {found}"
    return found


def space_name(settings: Settings, what: str) -> str:
    """Name of a namespace of this run."""
    return f"e2e-{settings.run}-{what.replace('_', '-')}"


def restricted(name: str, run: str) -> dict[str, object]:
    """A namespace that enforces Pod Security ``restricted``."""
    mode = {f"pod-security.kubernetes.io/{what}": "restricted" for what in ("enforce", "warn", "audit")}
    labels = {RUN_LABEL: run, **mode}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
