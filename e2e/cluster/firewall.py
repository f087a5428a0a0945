"""Enforces NetworkPolicies where the cluster's own network does not: as drop rules on every node."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from agents import Agents
from kubectl import items
from policies import Guarded, removal, ruleset, translate
from progress import say

Json = dict[str, Any]


def policies_of(*namespaces: str) -> list[Json]:
    """The policies of these namespaces, as they are in the cluster."""
    return [policy for namespace in namespaces for policy in items("networkpolicies", namespace)]


@contextmanager
def enforced(agents: Agents, policies: Sequence[Json]) -> Iterator[list[Guarded]]:
    """These policies hold inside the block, for the pods that are there when it begins."""
    guarded = translate(policies, items("pods"), items("namespaces"))
    script = ruleset(guarded)
    say(f"  {len(policies)} policies guard {len(guarded)} pods; {len(script.splitlines())} lines of nft on each node")
    try:
        for node in agents.pods:
            agents.on(node, "nft", "-f", "-", stdin=script)
        yield guarded
    finally:
        for node in agents.pods:
            agents.on(node, "nft", "-f", "-", stdin=removal())
