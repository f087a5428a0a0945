"""The Kubernetes API as JSON: few verbs, errors as sentences, bounded, retried where that is safe."""

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from kubernetes.aio.client import ApiClient

from speechpipe_operator.kube.errors import Call, NotFound
from speechpipe_operator.kube.kinds import Kind, kind_of
from speechpipe_operator.kube.retry import Retry
from speechpipe_operator.kube.transport import JSON, Guard, OnCall, Request, Transport
from speechpipe_operator.objects import FIELD_MANAGER, Object

MERGE_PATCH: Final = "application/merge-patch+json"
APPLY_PATCH: Final = "application/apply-patch+yaml"

PAGE: Final = 500
"""Objects of one answer to ``list``, as client-go has it."""

ABSENT: Final = "1"
"""A resource version that no object has (etcd's first write is revision 2): an apply that carries it creates, or fails
with ``Conflict`` where the object exists. Server-side apply has no other way to create only (tried on 1.34)."""

Page = list[Object]

METADATA: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
"""Asks a list for what every object has alike; names, labels, owners, versions."""


def _unheard(call: Call, status: int, seconds: float) -> None:
    """Nobody counts calls."""


def _free(call: Call) -> None:
    """Everything may be sent."""


class KubeApi:
    """Calls to one API server. Safe for any number of tasks of one loop.

    Every method raises a ``KubeError``: ``NotFound``, ``Conflict``, ``Forbidden``, ``Invalid``, ``Unavailable`` …
    Reads and applies are tried again when the server is away or busy; other writes are not, since the one whose answer
    got lost may have been carried out.

    Args:
        client: from ``connect``; it stays the caller's to close.
        concurrency: most requests in flight; others wait.
        timeout: seconds for one request.
        retry: how often and when to try again.
        on_call: see ``OnCall``.
        guard: see ``Guard``.
    """

    def __init__(
        self,
        client: ApiClient,
        *,
        concurrency: int = 32,
        timeout: float = 15.0,
        retry: Retry | None = None,
        on_call: OnCall = _unheard,
        guard: Guard = _free,
    ) -> None:
        self._transport = Transport(
            client, concurrency=concurrency, timeout=timeout, retry=retry or Retry(), on_call=on_call, guard=guard
        )
        self.versions: dict[str, str] = {}
        """API version by kind, where the cluster's is another one than the table's; discovery fills it."""

    async def get(self, kind: str, namespace: str | None, name: str, *, subresource: str | None = None) -> Object:
        """One object, or a subresource of it."""
        return await self._call("get", "GET", self._kind(kind), namespace, name, subresource)

    async def find(self, kind: str, namespace: str | None, name: str) -> Object | None:
        """One object, None where there is none."""
        try:
            return await self.get(kind, namespace, name)
        except NotFound:
            return None

    async def list(
        self, kind: str, namespace: str | None = None, labels: str = "", *, cached: bool = True
    ) -> list[Object]:
        """All objects of a kind, or those that the label selector finds; without ``kind`` and ``apiVersion``.

        Args:
            kind: what to list.
            namespace: None for all.
            labels: a label selector.
            cached: let the server answer out of its memory, which may be behind by some seconds; cheap. False: exact.
        """
        query = {"labelSelector": labels} if labels else {}
        if not cached:
            return [item async for page in self._pages(kind, namespace, query) for item in page]
        answer = await self._call("list", "GET", self._kind(kind), namespace, query=query | {"resourceVersion": "0"})
        return list(answer["items"] or ())

    async def metadata(self, kind: str, namespace: str | None = None, labels: str = "") -> AsyncIterator[Object]:
        """The ``metadata`` of all objects of a kind, page by page, exact; so that nothing is held whole."""
        query = {"labelSelector": labels} if labels else {}
        async for page in self._pages(kind, namespace, query, accept=METADATA):
            for item in page:
                yield item["metadata"]

    async def create(self, obj: Object) -> Object:
        """POST an object, which may have a ``generateName`` or none; ``Conflict`` where it exists. Not tried again."""
        kind, namespace = self._kind_of(obj), obj["metadata"].get("namespace")
        query = {"fieldManager": FIELD_MANAGER}
        return await self._call(
            "create", "POST", kind, namespace, query=query, body=obj, shown=obj["metadata"].get("name")
        )

    async def apply(self, obj: Object, *, manager: str = FIELD_MANAGER, subresource: str | None = None) -> Object:
        """Server-side apply by force. ``metadata.uid`` in it demands that very object, ``metadata.resourceVersion``
        that version (``ABSENT``: none at all); else ``Conflict``.
        """
        kind, namespace = self._kind_of(obj), obj["metadata"].get("namespace")
        return await self.apply_to(kind, namespace, _name(obj), obj, manager=manager, subresource=subresource)

    async def apply_to(
        self,
        kind: Kind,
        namespace: str | None,
        name: str,
        body: Object,
        *,
        manager: str,
        subresource: str | None = None,
    ) -> Object:
        """Server-side apply of a body whose kind is not that of its path, as that of ``/scale``."""
        query = {"fieldManager": manager, "force": "true"}
        return await self._call("apply", "PATCH", kind, namespace, name, subresource, query, body, APPLY_PATCH)

    async def patch(
        self, kind: str, namespace: str | None, name: str, body: Object, *, subresource: str | None = None
    ) -> Object:
        """Merge patch (RFC 7386). ``metadata.resourceVersion`` or ``uid`` in it are preconditions. Not tried again."""
        found, query = self._kind(kind), {"fieldManager": FIELD_MANAGER}
        return await self._call("patch", "PATCH", found, namespace, name, subresource, query, body, MERGE_PATCH)

    async def delete(
        self,
        kind: str,
        namespace: str | None,
        name: str,
        *,
        uid: str,
        resource_version: str | None = None,
        propagation: str = "Background",
    ) -> None:
        """Delete that very object, in that version where one is given; else ``Conflict``. Not tried again.

        Args:
            kind: of the object.
            namespace: of the object.
            name: of the object.
            uid: of the object.
            resource_version: of the object.
            propagation: ``Background``, ``Foreground`` or ``Orphan``: what becomes of what it owns.
        """
        conditions = {"uid": uid} | ({"resourceVersion": resource_version} if resource_version else {})
        body = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": conditions,
            "propagationPolicy": propagation,
        }
        await self._call("delete", "DELETE", self._kind(kind), namespace, name, body=body)

    async def raw(self, path: str) -> Object:
        """GET a path outside the table, such as ``/apis``."""
        return await self._transport.send(Request(Call("get", path, path), "GET", path))

    async def _pages(
        self, name: str, namespace: str | None, query: Mapping[str, str], accept: str = JSON
    ) -> AsyncIterator[Page]:
        kind = self._kind(name)
        call = Call("list", kind.name, kind.plural, kind.group, namespace)
        query = {**query, "limit": str(PAGE)}
        while True:
            page = await self._transport.send(Request(call, "GET", kind.path(namespace), query, accept=accept))
            yield page["items"] or []
            following = page["metadata"].get("continue")
            if not following:
                return
            query["continue"] = following

    def _kind(self, name: str) -> Kind:
        return kind_of(name, self.versions.get(name))

    def _kind_of(self, obj: Object) -> Kind:
        return kind_of(obj["kind"], obj.get("apiVersion"))

    async def _call(
        self,
        verb: str,
        method: str,
        kind: Kind,
        namespace: str | None,
        name: str | None = None,
        subresource: str | None = None,
        query: Mapping[str, str] | None = None,
        body: Object | None = None,
        content: str = JSON,
        *,
        shown: str | None = None,
    ) -> Object:
        call = Call(verb, kind.name, kind.plural, kind.group, namespace, shown or name, subresource)
        path = kind.path(namespace, name, subresource)
        return await self._transport.send(Request(call, method, path, query or {}, body, content))


def _name(obj: Object) -> str:
    name: Any = obj["metadata"]["name"]
    return str(name)
