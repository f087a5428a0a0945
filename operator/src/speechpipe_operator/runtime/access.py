"""What the operator may not do, found by asking (SelfSubjectAccessReview) before it is tried, and said in sentences.

kopf waits in silence where it may not list a kind, and the API server answers a list in a namespace that does not exist
as if it were empty; so nothing else would tell.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from speechpipe_operator.kube import KubeApi
from speechpipe_operator.objects import Object
from speechpipe_operator.runtime.needs import NEEDS, Need

AT_ONCE: Final = 8
"""Questions in flight."""


@dataclass(frozen=True, slots=True)
class Question:
    """May the operator do ``verb`` on the resource of ``need`` in ``namespace`` (empty: all of them)?"""

    need: Need
    verb: str
    namespace: str


def questions(namespaces: Sequence[str], operator_namespace: str, absent: Iterable[str] = ()) -> tuple[Question, ...]:
    """All that is to be asked.

    Args:
        namespaces: of pipelines; empty: the whole cluster.
        operator_namespace: where the Lease is.
        absent: API groups that the cluster does not serve.
    """
    places = {"pipelines": tuple(namespaces) or ("",), "operator": (operator_namespace,), "cluster": ("",)}
    groups = set(absent)
    return tuple(
        Question(need, verb, namespace)
        for need in NEEDS
        if need.group not in groups
        for namespace in places[need.where]
        for verb in need.verbs
    )


async def denied(api: KubeApi, asked: Iterable[Question]) -> tuple[Question, ...]:
    """Those that are answered with no.

    Raises:
        KubeError: the API server does not answer, or not even this may be asked.
    """
    slots = asyncio.Semaphore(AT_ONCE)

    async def may(question: Question) -> bool:
        async with slots:
            answer = await api.create(_review(question))
        return bool(answer["status"].get("allowed"))

    asked = tuple(asked)
    answers = await asyncio.gather(*(may(question) for question in asked))
    return tuple(question for question, allowed in zip(asked, answers, strict=True) if not allowed)


def sentences(missing: Sequence[Question], asked: Sequence[Question]) -> tuple[str, ...]:
    """What is missing, one sentence for each resource and place; one alone where a namespace gives nothing at all."""
    by_place: dict[str, list[Question]] = defaultdict(list)
    for question in missing:
        by_place[question.namespace].append(question)
    found: list[str] = []
    for namespace, here in by_place.items():
        if namespace and len(here) == sum(question.namespace == namespace for question in asked):
            found.append(
                f"the operator may do nothing in namespace {namespace}: it does not exist, or no Role is bound to the "
                "operator there (operator/rbac/namespaced.yaml); its pipelines are not served"
            )
        else:
            found += _by_resource(namespace, here)
    return tuple(found)


def _by_resource(namespace: str, missing: Sequence[Question]) -> Iterable[str]:
    verbs: dict[Need, list[str]] = defaultdict(list)
    for question in missing:
        verbs[question.need].append(question.verb)
    role = "operator/rbac/namespaced.yaml" if namespace else "operator/rbac/cluster.yaml"
    where = f"in namespace {namespace}" if namespace else "in all namespaces"
    for need, lacking in verbs.items():
        effect = f"; {need.purpose}" if need.purpose else "; pipelines that need one are not complete"
        yield f"the operator may not {', '.join(lacking)} {need.shown} {where}{effect}: grant it as {role} does"


def _review(question: Question) -> Object:
    resource, _, subresource = question.need.resource.partition("/")
    attributes = {
        "group": question.need.group,
        "resource": resource,
        "subresource": subresource,
        "verb": question.verb,
        "namespace": question.namespace,
    }
    return {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "metadata": {},
        "spec": {"resourceAttributes": attributes},
    }
