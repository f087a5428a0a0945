"""Translating NetworkPolicies, without a cluster."""

from pathlib import Path
from typing import Any

import pytest
from policies import Guarded, Opening, PolicyError, matches, ruleset, translate
from ruamel.yaml import YAML

GOLDEN = Path(__file__).parents[3] / "operator" / "tests" / "golden"

Json = dict[str, Any]


def pod(namespace: str, name: str, address: str, ports: dict[str, int] | None = None, **labels: str) -> Json:
    """A running pod; ``ports`` by name."""
    named = [{"name": port, "containerPort": number} for port, number in (ports or {}).items()]
    return {
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {"containers": [{"ports": named}]},
        "status": {"phase": "Running", "podIP": address},
    }


def space(name: str) -> Json:
    """A namespace with the label that all have."""
    return {"metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name}}}


def policy(ingress: list[Json], namespace: str = "a", **selected: str) -> Json:
    """A policy about pods with these labels."""
    spec = {"podSelector": {"matchLabels": selected}, "policyTypes": ["Ingress"], "ingress": ingress}
    return {"metadata": {"name": "rule", "namespace": namespace}, "spec": spec}


SPACES = [space("a"), space("b")]
SERVER = pod("a", "server", "10.0.0.1", {"web": 80, "health": 8080}, app="server")
FRIEND = pod("a", "friend", "10.0.0.2", app="friend")
STRANGER = pod("b", "stranger", "10.0.0.3", app="friend")
PODS = [SERVER, FRIEND, STRANGER]


def openings(*ingress: Json) -> tuple[Opening, ...]:
    """What one policy with these rules lets into the server."""
    (guarded,) = translate([policy(list(ingress), app="server")], PODS, SPACES)
    assert guarded.address == "10.0.0.1"
    return guarded.openings


def test_a_pod_that_no_policy_selects_is_left_alone() -> None:
    """Only selected pods are guarded, and a policy selects in its own namespace only."""
    assert translate([policy([], app="friend")], PODS, SPACES) == [Guarded("a/friend", "10.0.0.2", ())]


def test_a_rule_without_peers_lets_everybody_in() -> None:
    """``from`` left out means anybody, machines outside the cluster too; a name of a port becomes its number."""
    assert openings({"ports": [{"port": "web"}]}) == (Opening(None, (("tcp", 80),)),)


def test_peers_without_a_namespace_are_those_of_the_policys_own() -> None:
    """A podSelector alone means pods of the same namespace; with a namespaceSelector both must fit."""
    friends = {"matchLabels": {"app": "friend"}}
    assert openings({"from": [{"podSelector": friends}]}) == (Opening(("10.0.0.2",), None),)
    there = {"podSelector": friends, "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "b"}}}
    assert openings({"from": [there]}) == (Opening(("10.0.0.3",), None),)


def test_an_empty_namespace_selector_means_every_pod_but_no_machine() -> None:
    """``namespaceSelector: {}`` lets in all pods, by their addresses."""
    assert openings({"from": [{"namespaceSelector": {}}]}) == (Opening(("10.0.0.1", "10.0.0.2", "10.0.0.3"), None),)


def test_rules_that_fit_nothing_open_nothing() -> None:
    """No rule, peers that do not exist and ports that the pod has not all leave it shut."""
    nobody = {"podSelector": {"matchLabels": {"app": "nobody"}}}
    assert openings() == ()
    assert openings({"from": [nobody]}) == ()
    assert openings({"ports": [{"port": "no-such"}]}) == ()


def test_policies_add_up() -> None:
    """A pod that two policies select takes what either lets in."""
    one = policy([{"ports": [{"port": "web"}]}], app="server")
    two = policy([{"ports": [{"port": 8080}]}], app="server")
    (guarded,) = translate([one, two], PODS, SPACES)
    assert {port for opening in guarded.openings for _, port in opening.ports or ()} == {80, 8080}


@pytest.mark.parametrize(
    "rule",
    [
        {"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]},
        {"ports": [{"port": 1, "endPort": 9}]},
        {"ports": [{"protocol": "UDP"}]},
    ],
)
def test_what_is_not_translated_is_refused(rule: Json) -> None:
    """Rather than guess, the translation says what it does not know."""
    with pytest.raises(PolicyError, match="not translated"):
        openings(rule)


def test_a_policy_about_egress_is_refused() -> None:
    """Egress is not translated, so that no test passes on half a policy."""
    one = policy([], app="server")
    one["spec"]["policyTypes"] = ["Ingress", "Egress"]
    with pytest.raises(PolicyError, match="egress"):
        translate([one], PODS, SPACES)


@pytest.mark.parametrize(
    ("operator", "values", "selected"),
    [("In", ["x"], True), ("NotIn", ["x"], False), ("Exists", [], True), ("DoesNotExist", [], False)],
)
def test_expressions_select_as_the_api_says(operator: str, values: list[str], selected: bool) -> None:
    """Each operator of a label selector does what its name says, and NotIn takes what has no such label."""
    selector = {"matchExpressions": [{"key": "k", "operator": operator, "values": values}]}
    assert matches(selector, {"k": "x"}) is selected
    assert matches(selector, {}) is (operator in ("NotIn", "DoesNotExist"))


def test_the_filter_drops_what_no_rule_accepts() -> None:
    """The script accepts by source and port, then drops the rest for that pod, and replaces what was there."""
    script = ruleset([Guarded("a/server", "10.0.0.1", (Opening(("10.0.0.2",), (("tcp", 80),)),))])
    lines = [line.strip() for line in script.splitlines()]
    accepted = lines.index("ip daddr 10.0.0.1 ip saddr { 10.0.0.2 } tcp dport { 80 } accept")
    assert accepted < lines.index('ip daddr 10.0.0.1 counter drop comment "a/server"')
    assert lines[:2] == ["table inet speechpipe_e2e", "delete table inet speechpipe_e2e"]


def test_an_opening_without_bounds_accepts_everything() -> None:
    """Neither sources nor ports: the pod takes everything, before its drop."""
    script = ruleset([Guarded("a/server", "10.0.0.1", (Opening(None, None),))])
    assert "    ip daddr 10.0.0.1 accept\n" in script


def test_the_policies_of_a_real_pipeline_are_translated() -> None:
    """What the operator renders for its fullest example lets its workers and the operator reach Redis, and no other."""
    objects = list(YAML(typ="safe").load_all((GOLDEN / "full" / "objects.yaml").read_text()))
    rules = [item for item in objects if item["kind"] == "NetworkPolicy"]
    home = rules[0]["metadata"]["namespace"]
    (guard,) = (rule for rule in rules if rule["metadata"]["name"].endswith("-redis"))
    (spaces,) = (
        peer["namespaceSelector"] for peer in guard["spec"]["ingress"][0]["from"] if "namespaceSelector" in peer
    )
    pilots = spaces["matchLabels"]["kubernetes.io/metadata.name"]
    labels = guard["spec"]["podSelector"]["matchLabels"]
    worker = labels | {"speechpipe.dev/component": "stt"}
    pods = [
        pod(home, "redis", "10.0.0.1", {"redis": 6379}, **labels),
        pod(home, "stt", "10.0.0.2", {"health": 8081}, **worker),
        pod(home, "neighbour", "10.0.0.3"),
        pod(pilots, "operator", "10.0.0.4"),
        pod("b", "stranger", "10.0.0.5", **worker),
    ]
    found = {g.name: g.openings for g in translate(rules, pods, [space(home), space(pilots), space("b")])}
    assert found[f"{home}/redis"] == (Opening(("10.0.0.2", "10.0.0.4"), (("tcp", 6379),)),)
