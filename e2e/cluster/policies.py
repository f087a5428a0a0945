"""What NetworkPolicies mean for the pods that there are, and as a packet filter of nft. Pure.

Only ingress, which is what the project's policies are about; a policy that restricts egress is refused. The rules are
those of the Kubernetes API (networking.k8s.io/v1): policies add up, a pod that none selects takes everything, and one
that some select takes only what one of them lets in. What a node sends to its own pods (probes) passes always.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

TABLE = "speechpipe_e2e"
COMMENT_LENGTH = 120
"""nft takes 128 bytes."""


class PolicyError(ValueError):
    """A policy says something that is not translated."""


@dataclass(frozen=True, order=True)
class Opening:
    """What may come in: from addresses (None: from anywhere) to ports (None: to all)."""

    sources: tuple[str, ...] | None
    ports: tuple[tuple[str, int], ...] | None


@dataclass(frozen=True, order=True)
class Guarded:
    """A pod whose traffic is restricted to its openings."""

    name: str
    address: str
    openings: tuple[Opening, ...]


def translate(policies: Sequence[Json], pods: Sequence[Json], namespaces: Sequence[Json]) -> list[Guarded]:
    """What the policies mean for these pods.

    Raises:
        PolicyError: a policy restricts egress, or uses what is not translated.
    """
    labels = {item["metadata"]["name"]: item["metadata"].get("labels", {}) for item in namespaces}
    placed = [pod for pod in pods if _address(pod) and not pod["spec"].get("hostNetwork")]
    guarded = []
    for pod in placed:
        own = [policy for policy in policies if _selected_by(policy, pod)]
        if own:
            openings = {o for policy in own for o in _openings(policy, pod, placed, labels)}
            guarded.append(Guarded(_name(pod), _address(pod), tuple(sorted(openings, key=repr))))
    return sorted(guarded)


def ruleset(guarded: Iterable[Guarded], table: str = TABLE) -> str:
    """An nft script that puts this table in the place of one of the same name, in one step.

    Packets to pods pass a node's forward hook, after a Service's address has become a pod's; packets of connections
    that are open already pass.
    """
    lines = [
        f"table inet {table}",
        f"delete table inet {table}",
        f"table inet {table} {{",
        "  chain forward {",
        "    type filter hook forward priority filter - 5; policy accept;",
        "    ct state established,related accept",
    ]
    for pod in guarded:
        family = "ip6" if ":" in pod.address else "ip"
        to = f"{family} daddr {pod.address}"
        accepted = [rule for opening in pod.openings for rule in _rules(opening, family)]
        lines += ["    " + " ".join(filter(None, (to, rule, "accept"))) for rule in accepted]
        lines.append(f'    {to} counter drop comment "{pod.name[:COMMENT_LENGTH]}"')
    return "\n".join([*lines, "  }", "}", ""])


def removal(table: str = TABLE) -> str:
    """An nft script that takes the table away, whether it is there or not."""
    return f"table inet {table}\ndelete table inet {table}\n"


def matches(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a label selector selects these labels; an empty one selects everything.

    Raises:
        PolicyError: it has an operator that does not exist.
    """
    exact = all(labels.get(key) == value for key, value in (selector.get("matchLabels") or {}).items())
    return exact and all(_holds(expression, labels) for expression in selector.get("matchExpressions") or ())


def _holds(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, values = expression["key"], expression.get("values") or ()
    match expression["operator"]:
        case "In":
            return key in labels and labels[key] in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case other:
            raise PolicyError(f"no such operator in a selector: {other}")


def _selected_by(policy: Json, pod: Json) -> bool:
    spec = policy["spec"]
    if spec.get("egress") or "Egress" in spec.get("policyTypes", ()):
        raise PolicyError(f"{_name(policy)} restricts egress, which is not translated")
    same = policy["metadata"]["namespace"] == pod["metadata"]["namespace"]
    return same and matches(spec.get("podSelector") or {}, pod["metadata"].get("labels", {}))


def _openings(
    policy: Json, pod: Json, pods: Sequence[Json], namespaces: Mapping[str, Mapping[str, str]]
) -> Iterable[Opening]:
    for rule in policy["spec"].get("ingress") or ():
        ports = _ports(rule["ports"], pod) if rule.get("ports") else None
        if ports == ():
            continue  # the pod has no port of that name
        peers = rule.get("from")
        if not peers:
            yield Opening(None, ports)
            continue
        found = {source for peer in peers for source in _sources(peer, policy, pods, namespaces)}
        if found:
            yield Opening(tuple(sorted(found)), ports)


def _sources(
    peer: Json, policy: Json, pods: Sequence[Json], namespaces: Mapping[str, Mapping[str, str]]
) -> Iterable[str]:
    if "ipBlock" in peer:
        raise PolicyError(f"{_name(policy)} lets addresses in by ipBlock, which is not translated")
    for pod in pods:
        home = pod["metadata"]["namespace"]
        if "namespaceSelector" in peer:
            there = matches(peer["namespaceSelector"] or {}, namespaces.get(home, {}))
        else:
            there = home == policy["metadata"]["namespace"]
        if there and matches(peer.get("podSelector") or {}, pod["metadata"].get("labels", {})):
            yield _address(pod)


def _ports(wanted: Sequence[Json], pod: Json) -> tuple[tuple[str, int], ...]:
    found = set()
    for item in wanted:
        if "endPort" in item:
            raise PolicyError("ranges of ports are not translated")
        protocol, port = item.get("protocol", "TCP"), item.get("port")
        if port is None:
            raise PolicyError("a protocol without a port is not translated")
        numbers = [port] if isinstance(port, int) else _named(pod, port, protocol)
        found |= {(protocol.lower(), number) for number in numbers}
    return tuple(sorted(found))


def _named(pod: Json, name: str, protocol: str) -> list[int]:
    ports = [port for container in pod["spec"]["containers"] for port in container.get("ports") or ()]
    return [p["containerPort"] for p in ports if p.get("name") == name and p.get("protocol", "TCP") == protocol]


def _rules(opening: Opening, family: str) -> Iterable[str]:
    source = ""
    if opening.sources is not None:
        mine = [address for address in opening.sources if (":" in address) == (family == "ip6")]
        if not mine:
            return
        source = f"{family} saddr {{ {', '.join(mine)} }}"
    if opening.ports is None:
        yield source
        return
    for protocol in sorted({protocol for protocol, _ in opening.ports}):
        numbers = ", ".join(str(number) for kind, number in opening.ports if kind == protocol)
        yield f"{source} {protocol} dport {{ {numbers} }}"


def _address(pod: Json) -> str:
    ended = pod["status"].get("phase") in ("Succeeded", "Failed")
    return "" if ended else str(pod["status"].get("podIP", ""))


def _name(thing: Json) -> str:
    return f"{thing['metadata']['namespace']}/{thing['metadata']['name']}"
