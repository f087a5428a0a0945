"""What tests of reconciling share: a pipeline on a real API server, reconciled turn by turn, and its calls counted."""

import asyncio
import copy
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio
from ruamel.yaml import YAML

from speechpipe_operator.kube import KINDS, Call, Capabilities, KubeApi, Retry
from speechpipe_operator.objects import PIPELINE_LABEL, Object, Ref
from speechpipe_operator.reconcile import ChildCache, Deps, PipelineKey, ReconcileResult, reconcile_pipeline
from speechpipe_operator.reconcile.secrets import Secrets
from speechpipe_operator.testing.control_plane import ControlPlane
from speechpipe_operator.testing.rest import Rest

WATCHED = (
    "ConfigMap",
    "Deployment",
    "HorizontalPodAutoscaler",
    "Ingress",
    "NetworkPolicy",
    "PersistentVolumeClaim",
    "Pod",
    "PodDisruptionBudget",
    "ResourceClaimTemplate",
    "Service",
    "ServiceAccount",
    "StatefulSet",
)
WRITES = ("create", "apply", "patch", "delete")
SPEC = """
gateway: {auth: {mode: none}}
stt: {autoscaling: {minReplicas: 0, maxReplicas: 5}}
translation: {replicas: 2}
"""
NAME = "voice"


class World:
    """One SpeechPipeline in a namespace, and an operator that acts when told to.

    Attributes:
        key: the pipeline.
        calls: how often the operator asked for what, since ``forget_calls``.
        decided: replicas by component, as the scaler would have decided; absent: the plan's.
    """

    def __init__(self, rest: Rest, api: KubeApi, namespace: str, calls: Counter[str]) -> None:
        self.rest, self.api, self.calls = rest, api, calls
        self.key = PipelineKey(namespace, NAME)
        self.decided: dict[str, int] = {}
        self.resource: Object = {}
        self.restart()

    def restart(self) -> None:
        """The operator ends, and another one begins, which knows nothing."""
        self.cache = ChildCache()
        self.deps = Deps(
            api=self.api,
            cache=self.cache,
            namespace="speechpipe-system",
            version="1.2.3",
            capabilities=lambda: Capabilities(claims="resource.k8s.io/v1"),
            replicas=lambda _, component: self.decided.get(component),
            secrets=Secrets(clock=lambda: 0.0),  # what was read of a Secret stays fresh, however slow the machine is
        )

    async def ask(self, spec: str | Object, annotations: dict[str, str] | None = None) -> None:
        """Create the resource, or change its spec (YAML or JSON)."""
        wish = YAML(typ="safe", pure=True).load(spec) if isinstance(spec, str) else spec
        path = KINDS["SpeechPipeline"].path(self.key.namespace, NAME if self.resource else None)
        if self.resource:
            found = await self.rest.get(path)
            self.resource = await self.rest.put(path, {**found, "spec": wish})
        else:
            metadata = {"name": NAME, "namespace": self.key.namespace, "annotations": annotations or {}}
            body = {
                "apiVersion": "speechpipe.dev/v1alpha1",
                "kind": "SpeechPipeline",
                "metadata": metadata,
                "spec": wish,
            }
            self.resource = await self.rest.post(path, body)

    async def look(self) -> None:
        """What watches would tell: the cache learns what is there, and what is no more."""
        paths = (KINDS[kind].path(self.key.namespace) for kind in WATCHED)
        lists = await asyncio.gather(
            *(self.rest.items(path, labelSelector=f"{PIPELINE_LABEL}={NAME}") for path in paths)
        )
        there = {item["metadata"]["uid"] for items in lists for item in items}
        for kind, items in zip(WATCHED, lists, strict=True):
            for item in items:
                self.cache.observe(None, {"kind": kind, "apiVersion": KINDS[kind].api_version, **item})
        for child, known in self.cache.children(self.key).items():
            if known.uid not in there:
                self.cache.forget(self.key, child, known.uid)

    async def reconcile(self, *, look: bool = True) -> ReconcileResult:
        """One turn, after everything that was to be seen has been."""
        if look:
            await self.look()
        self.calls.clear()
        return await reconcile_pipeline(self.key, copy.deepcopy(self.resource), self.deps)

    def writes(self) -> dict[str, int]:
        """Requests that may write, by verb and kind, of the last turn."""
        return {what: count for what, count in self.calls.items() if what.split()[0] in WRITES}

    def path(self, kind: str, name: str, subresource: str | None = None) -> str:
        """Of an object in the namespace."""
        return KINDS[kind].path(self.key.namespace, name, subresource)

    async def get(self, kind: str, name: str) -> Object:
        """An object, seen by the tests' own client."""
        return await self.rest.get(self.path(kind, name))

    async def find(self, kind: str, name: str) -> Object | None:
        """An object, or None."""
        return await self.rest.find(self.path(kind, name))

    async def edit(self, kind: str, name: str, change: Object, manager: str = "kubectl-edit") -> Object:
        """Somebody else's merge patch."""
        return await self.rest.merge(self.path(kind, name), change, fieldManager=manager)

    async def children(self) -> dict[Ref, Object]:
        """Everything that the pipeline owns."""
        found: dict[Ref, Object] = {}
        kinds = (*WATCHED, "Secret")
        lists = await asyncio.gather(*(self.rest.items(KINDS[kind].path(self.key.namespace)) for kind in kinds))
        for kind, items in zip(kinds, lists, strict=True):
            for item in items:
                owners = item["metadata"].get("ownerReferences", [])
                if any(owner["uid"] == self.resource["metadata"]["uid"] for owner in owners):
                    found[Ref(kind, item["metadata"]["name"])] = item
        return found

    async def versions(self) -> dict[Ref, str]:
        """The resource version of each child: what differs was written."""
        return {child: item["metadata"]["resourceVersion"] for child, item in (await self.children()).items()}


def counting(plane: ControlPlane, client: Any, **options: Any) -> tuple[KubeApi, Counter[str]]:
    """The operator's client, and the counter that every call of it goes to as ``verb Kind``."""
    calls: Counter[str] = Counter()

    def count(call: Call, status: int, seconds: float) -> None:
        calls[f"{call.verb} {call.kind}" + (f"/{call.subresource}" if call.subresource else "")] += 1

    return KubeApi(client, on_call=count, retry=Retry(attempts=2, first=0.01), **options), calls


@pytest_asyncio.fixture
async def world(control_plane: ControlPlane, rest: Rest, namespace: str, crd: str) -> AsyncIterator[World]:
    """A namespace of its own on the shared API server, without controllers; no pipeline yet."""
    client = control_plane.api()
    api, calls = counting(control_plane, client)
    yield World(rest, api, namespace, calls)
    await client.close()
