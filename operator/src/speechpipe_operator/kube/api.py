"""The Kubernetes API as JSON: few verbs, errors as sentences, bounded, retried where that is safe."""

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final
from urllib.parse import urlencode

import aiohttp
from kubernetes.aio.client import ApiClient

from speechpipe_operator.kube.errors import Call, KubeError, NotFound, Unavailable, from_answer
from speechpipe_operator.kube.kinds import Kind, kind_of
from speechpipe_operator.kube.retry import Retry
from speechpipe_operator.objects import FIELD_MANAGER, Object

JSON: Final = "application/json"
MERGE_PATCH: Final = "application/merge-patch+json"
APPLY_PATCH: Final = "application/apply-patch+yaml"

PAGE: Final = 500
"""Objects of one answer to ``list``, as client-go has it."""

ABSENT: Final = "1"
"""A resource version that no object has (etcd's first write is revision 2): an apply that carries it creates, or fails
with ``Conflict`` where the object exists. Server-side apply has no other way to create only (tried on 1.34)."""

OnCall = Callable[[Call, int, float], None]
"""Told of each request: what it was, its HTTP status (0: no answer), and how many seconds it took."""

Guard = Callable[[Call], None]
"""Asked before each request, retries too; raises where it may not be sent."""

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
        self._client = client
        self._slots = asyncio.Semaphore(concurrency)
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._retry = retry or Retry()
        self._on_call = on_call
        self._guard = guard
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
        if cached:
            return list(
                (await self._call("list", "GET", self._kind(kind), namespace, query=query | {"resourceVersion": "0"}))[
                    "items"
                ]
            )
        found: list[Object] = []
        query["limit"] = str(PAGE)
        while True:
            page = await self._call("list", "GET", self._kind(kind), namespace, query=query)
            found += page["items"]
            following = page["metadata"].get("continue")
            if not following:
                return found
            query["continue"] = following

    async def metadata(self, kind: str, namespace: str | None = None, labels: str = "") -> AsyncIterator[Object]:
        """The ``metadata`` of all objects of a kind, page by page, exact; so that nothing is held whole."""
        found = self._kind(kind)
        call = Call("list", found.name, found.plural, found.group, namespace)
        query = {"limit": str(PAGE)} | ({"labelSelector": labels} if labels else {})
        while True:
            page = await self._tried(call, "GET", found.path(namespace), query, None, JSON, accept=METADATA)
            for item in page["items"] or ():
                yield item["metadata"]
            following = page["metadata"].get("continue")
            if not following:
                return
            query["continue"] = following

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
        return await self._tried(Call("get", path, path), "GET", path, {}, None, JSON)

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
        return await self._tried(call, method, kind.path(namespace, name, subresource), query or {}, body, content)

    async def _tried(
        self,
        call: Call,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Object | None,
        content: str,
        *,
        accept: str = JSON,
    ) -> Object:
        attempt = 0
        while True:
            attempt += 1
            try:
                return await self._once(call, method, path, query, body, content, accept)
            except KubeError as error:
                wait = self._retry.wait(attempt, error, random.random())
                if wait is None or call.verb not in ("get", "list", "apply"):
                    raise
            await asyncio.sleep(wait)

    async def _once(
        self,
        call: Call,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Object | None,
        content: str,
        accept: str,
    ) -> Object:
        headers = {
            "Accept": accept,
            "User-Agent": self._client.user_agent,
            **({"Content-Type": content} if body else {}),
        }
        await self._client.update_params_for_auth(headers, None, ["BearerToken"], path, method, body)
        url = self._client.configuration.host + path
        if query:
            url += "?" + urlencode(query)
        status, began = 0, time.monotonic()
        async with self._slots:
            self._guard(call)
            try:
                answer = await self._client.rest_client.request(  # type: ignore[no-untyped-call]
                    method, url, headers=headers, body=body, _request_timeout=self._timeout
                )
                data, status = await answer.read(), answer.status
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                reason = str(error) or type(error).__name__
                raise Unavailable(call, f"can't {call}: the API server gives no answer: {reason}") from error
            finally:
                self._on_call(call, status, time.monotonic() - began)
        if status >= 400:
            raise from_answer(call, status, data, answer.headers.get("Retry-After"))
        found: Object = json.loads(data)
        return found


def _name(obj: Object) -> str:
    name: Any = obj["metadata"]["name"]
    return str(name)
