"""Who may connect to a pipeline: its NetworkPolicies, enforced as packet filters on the nodes."""

from collections.abc import Callable, Iterator

import pytest
from agents import Agents
from conftest import STRANGERS
from firewall import enforced, policies_of
from kubectl import Json, apply, delete, get
from pipelines import Pipeline, translated
from pods import plain_pod, until_running
from reach import Door, Vantage, violations
from releases import Release
from settings import Settings

pytestmark = [pytest.mark.pipeline(spec=translated), pytest.mark.timeout(900)]

WAIT = ("python", "-c", "import signal; signal.pause()")
CAPTIONS = "the gateway"
SERVICE = "the gateway's Service"
PUBLIC = frozenset({CAPTIONS, SERVICE})
METRICS = frozenset({"metrics of the gateway", "metrics of stt", "metrics of translation", "metrics of the operator"})
REDIS = "Redis"


@pytest.fixture(scope="module")
def probes(
    namespace: str, operator: Release, spaces: dict[str, str], settings: Settings
) -> Iterator[dict[str, tuple[str, str]]]:
    """Pods that can run the suite's programs, each with its namespace: one of nobody's, one beside the pipelines, one
    beside the operator.
    """
    made = {"stranger": spaces[STRANGERS], "neighbour": namespace, "aide": operator.namespace}
    apply(*(plain_pod(name, space, settings.image("client"), WAIT) for name, space in made.items()))
    for name, space in made.items():
        until_running(name, space)
    yield {name: (space, name) for name, space in made.items()}
    for name, space in made.items():
        delete("pod", name, namespace=space, wait=False)


@pytest.fixture
def vantages(pipeline: Pipeline, agents: Agents, probes: dict[str, tuple[str, str]]) -> list[Vantage]:
    """Everywhere to connect from, each with what it should reach."""
    everything = PUBLIC | METRICS | {REDIS}
    worker = pipeline.staying("stt")[0]["metadata"]["name"]
    found = [
        Vantage("a pod of another namespace", *probes["stranger"], METRICS | PUBLIC),
        Vantage("a pod beside the pipeline", *probes["neighbour"], METRICS | PUBLIC),
        Vantage("a worker of the pipeline", pipeline.namespace, worker, everything),
        Vantage("a pod beside the operator", *probes["aide"], everything),
    ]
    # Not on a node of the pipeline's pods: what a node sends to its own is let through everywhere, for its probes.
    if elsewhere := sorted(set(agents.pods) - {pod["spec"]["nodeName"] for pod in pipeline.staying()}):
        host = agents.pods[elsewhere[0]]
        found.append(Vantage("a machine outside the pods' network", agents.namespace, host, PUBLIC, python=False))
    return found


@pytest.fixture
def doors(pipeline: Pipeline, operator: Release) -> list[Door]:
    """Everything that listens."""
    service = get("service", f"{pipeline.name}-gateway", pipeline.namespace)["spec"]
    (pilot,) = operator.operators()

    def port(component: str, number: int) -> str:
        return f"{address(pipeline.staying(component)[0])}:{number}"

    return [
        Door(CAPTIONS, port("gateway", 5026)),
        Door(SERVICE, f"{service['clusterIP']}:80"),
        Door(REDIS, port("redis", 6379)),
        Door("metrics of the gateway", port("gateway", 8080)),
        Door("metrics of stt", port("stt", 8081)),
        Door("metrics of translation", port("translation", 8082)),
        Door("metrics of the operator", f"{address(pilot)}:8080"),
    ]


def address(pod: Json) -> str:
    """A pod's own."""
    return str(pod["status"]["podIP"])


def test_only_what_the_policies_let_in_can_connect(
    pipeline: Pipeline,
    operator: Release,
    agents: Agents,
    vantages: list[Vantage],
    doors: list[Door],
    report: Callable[[str], None],
) -> None:
    """With the policies of chart and operator enforced, only the gateway is reached from outside, and Redis only by its
    pipeline and the operator's namespace; without them a stranger connects to Redis, so it is they that keep him out.
    """
    stranger = vantages[0]
    unguarded = violations([stranger], doors)
    if not unguarded:
        report("the cluster's own network enforces the policies")
        assert violations(vantages, doors) == []
        return
    assert unguarded == [f"{stranger.name} can connect to {REDIS}"]
    with enforced(agents, policies_of(pipeline.namespace, operator.namespace)) as guarded:
        report(f"{len(vantages)} vantages, {len(doors)} doors, {len(guarded)} pods guarded by nft")
        assert violations(vantages, doors) == []
    assert violations([stranger], doors) == unguarded


def test_a_wrong_policy_is_noticed(
    pipeline: Pipeline, operator: Release, agents: Agents, vantages: list[Vantage], doors: list[Door]
) -> None:
    """A policy that lets everybody connect to Redis, and one that lets nobody connect to the gateway, are found."""
    if not violations(vantages[:1], doors):
        pytest.skip(
            "the cluster's own network enforces the policies as they are: a wrong one can't be put in their place"
        )
    policies = policies_of(pipeline.namespace, operator.namespace)
    for policy in policies:
        if policy["metadata"]["name"] == f"{pipeline.name}-redis":
            policy["spec"]["ingress"] = [{}]
        if policy["metadata"]["name"] == f"{pipeline.name}-gateway":
            policy["spec"]["ingress"] = []
    with enforced(agents, policies):
        found = violations(vantages, doors)
    assert f"{vantages[0].name} can connect to {REDIS}" in found
    assert f"{vantages[0].name} can't connect to {CAPTIONS}" in found
