"""A kubelet that only pretends: its nodes are API objects, and pods bound to them get the status that a test wants.

The real scheduler places the pods, the real controllers see them come and go.
"""

import asyncio
import contextlib
import inspect
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from types import TracebackType
from typing import Any, Self

import aiohttp

from speechpipe_operator.testing.fates import READY, PodFate, pod_status
from speechpipe_operator.testing.follow import DELETED, RETRY_SECONDS, follow
from speechpipe_operator.testing.nodes import FakeNode, lease_object, node_object, node_status
from speechpipe_operator.testing.rest import ApiError, Json, Rest

NODES = "/api/v1/nodes"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
HEARTBEAT_SECONDS = 10.0

OnStart = Callable[[Json], PodFate | Awaitable[PodFate]]
OnStop = Callable[[Json], Awaitable[None]]


class FakeKubelet:
    """Runs nodes while it is entered (``async with``), then removes them and the pods on them.

    Args:
        rest: the cluster, as its administrator; its owner closes it.
        nodes: names must be unique in the cluster, which tests share.
        on_start: called with each pod that is bound to one of the nodes; its answer is the pod's status. Ready unless
            given. A coroutine may start a process; it is cancelled when the pod is deleted meanwhile.
        on_stop: awaited when a pod is to end (also by force, and when the kubelet ends), after which the pod is
            removed. It is a kubelet's SIGTERM and wait; the grace period is for it to keep.
    """

    def __init__(
        self, rest: Rest, nodes: Sequence[FakeNode], *, on_start: OnStart | None = None, on_stop: OnStop | None = None
    ) -> None:
        self.nodes = {node.name: node for node in nodes}
        self._rest = rest
        self._on_start = on_start
        self._on_stop = on_stop
        self._pods: dict[str, Json] = {}
        self._starting: dict[str, asyncio.Task[None]] = {}
        self._stopping: dict[str, asyncio.Task[None]] = {}
        self._loops: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        """Make the nodes, Ready at once."""
        await asyncio.gather(*(self.add_node(node) for node in list(self.nodes.values())))
        self._loops = [asyncio.create_task(loop) for loop in (self._watch(), self._beat())]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End every pod and remove the nodes."""
        failures = await self._end(self._loops)
        for uid in list(self._pods):
            self._stop(uid)
        failures += await self._end([*self._starting.values()], cancel=True)
        failures += await self._end([*self._stopping.values()], cancel=False)
        for name in list(self.nodes):
            await self.remove_node(name)
        if failures and error is None:
            raise ExceptionGroup("the fake kubelet failed", failures)
        if failures and error is not None:
            error.add_note(f"the fake kubelet failed too: {failures}")

    async def add_node(self, node: FakeNode) -> None:
        """One more node."""
        self.nodes[node.name] = node
        await self._rest.post(NODES, node_object(node))
        await self._rest.merge(f"{NODES}/{node.name}/status", node_status(node))
        await self._rest.post(LEASES, lease_object(node.name))
        # The node controller would lift the taint of a new node too, once it has seen it Ready.
        await self._rest.merge(f"{NODES}/{node.name}", {"spec": {"taints": list(node.taints)}})

    async def update_node(self, node: FakeNode, *, ready: bool = True) -> None:
        """Other resources or readiness for a node of that name, such as one GPU more; its pods stay."""
        gone = dict.fromkeys(self.nodes[node.name].resources.keys() - node.resources.keys())
        self.nodes[node.name] = node
        update = node_status(node, ready=ready)
        update["status"] |= dict.fromkeys(("capacity", "allocatable"), node.resources | gone)
        await self._rest.merge(f"{NODES}/{node.name}/status", update)

    async def remove_node(self, name: str) -> None:
        """Remove a node without a word to its pods, as when a machine is taken away; pod GC removes those in time."""
        self.nodes.pop(name, None)
        await self._rest.discard(f"{NODES}/{name}")
        await self._rest.discard(f"{LEASES}/{name}")

    async def set_fate(self, namespace: str, pod: str, fate: PodFate) -> None:
        """Give a pod that is on one of the nodes another status.

        Raises:
            ApiError: there is no such pod.
        """
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}"
        await self._rest.merge(f"{path}/status", pod_status(await self._rest.get(path), fate))

    async def _watch(self) -> None:
        async for kind, pod in follow(self._rest, "/api/v1/pods", fieldSelector="spec.nodeName!="):
            uid = pod["metadata"]["uid"]
            if pod["spec"]["nodeName"] not in self.nodes and uid not in self._pods:
                continue
            new = uid not in self._pods
            self._pods[uid] = pod
            if kind == DELETED or "deletionTimestamp" in pod["metadata"]:
                self._stop(uid)
            elif new:
                self._starting[uid] = asyncio.create_task(self._start(uid, pod))

    async def _start(self, uid: str, pod: Json) -> None:
        fate = READY
        if self._on_start is not None:
            answer = self._on_start(pod)
            fate = await answer if inspect.isawaitable(answer) else answer
        await self._insist(lambda: self._rest.merge(f"{_path(pod)}/status", pod_status(pod, fate)))

    def _stop(self, uid: str) -> None:
        if uid not in self._stopping:
            self._stopping[uid] = asyncio.create_task(self._finish(uid, self._pods[uid]))

    async def _finish(self, uid: str, pod: Json) -> None:
        starting = self._starting.get(uid)
        if starting is not None:
            await self._end([starting])
            if self._on_stop is not None:
                await self._on_stop(pod)
        precondition = {"gracePeriodSeconds": 0, "preconditions": {"uid": uid}}
        await self._insist(lambda: self._rest.delete(_path(pod), precondition))

    async def _insist(self, call: Callable[[], Coroutine[Any, Any, Json]]) -> None:
        """Send a request until the API server has an answer; that the pod is gone or another's is one (404, 409)."""
        while True:
            try:
                await call()
            except ApiError as error:
                if error.status in (404, 409):
                    return
                if error.status not in (429, 500, 503, 504):
                    raise
            except (aiohttp.ClientError, OSError):
                pass
            else:
                return
            await asyncio.sleep(RETRY_SECONDS)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            for name in list(self.nodes):
                with contextlib.suppress(aiohttp.ClientError, ApiError, OSError):  # the next beat comes soon
                    await self._rest.merge(f"{LEASES}/{name}", {"spec": lease_object(name)["spec"]})

    @staticmethod
    async def _end(tasks: Sequence[asyncio.Task[None]], *, cancel: bool = True) -> list[Exception]:
        """Wait for tasks, cancelled first if ``cancel``; what they raised."""
        for task in tasks:
            if cancel:
                task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        return [outcome for outcome in outcomes if isinstance(outcome, Exception)]


def _path(pod: Json) -> str:
    return f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"
