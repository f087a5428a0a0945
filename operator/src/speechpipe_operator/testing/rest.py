"""The Kubernetes API as plain JSON, for tests: an independent eye on what the operator's own client wrote."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

Json = dict[str, Any]
"""An object of the API as it came."""

MERGE_PATCH = "application/merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"


BUSY_TURNS = 20
BUSY_SECONDS = 0.5
"""How often and how soon a request is sent again that the server is too busy for (429), as every client does: it says
so too while it makes ready to serve a new or changed CustomResourceDefinition.
"""


class ApiError(RuntimeError):
    """The API server refused; ``status`` is the HTTP status, ``body`` its answer (a Status object or text)."""

    def __init__(self, what: str, status: int, body: Json) -> None:
        super().__init__(f"{what}: {status} {body.get('message', body)}")
        self.status = status
        self.body = body


class _BusyError(Exception):
    """The server asks to come again."""


class Rest:
    """A connection pool to one API server as one user. Use it in one event loop, and ``async with`` or ``close`` it."""

    def __init__(self, url: str, ca_file: Path, token: str) -> None:
        self._url = url
        self._ca_file = ca_file
        self._headers = {"Authorization": f"Bearer {token}"}
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Nothing is opened before the first request."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the pool."""
        await self.close()

    async def close(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def get(self, path: str, **query: str) -> Json:
        """GET an object or a list."""
        return await self._request("GET", path, query)

    async def find(self, path: str) -> Json | None:
        """GET an object, None where there is none."""
        try:
            return await self.get(path)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    async def items(self, path: str, **query: str) -> list[Json]:
        """The objects of a list."""
        found: list[Json] = (await self.get(path, **query))["items"]
        return found

    async def post(self, path: str, body: Json, **query: str) -> Json:
        """POST: create an object in its collection, or a subresource such as ``binding``."""
        return await self._request("POST", path, query, body)

    async def put(self, path: str, body: Json, **query: str) -> Json:
        """PUT: replace an object."""
        return await self._request("PUT", path, query, body)

    async def merge(self, path: str, body: Json, **query: str) -> Json:
        """PATCH by RFC 7386: what ``body`` names is set, None removes, lists are replaced whole."""
        return await self._request("PATCH", path, query, body, MERGE_PATCH)

    async def apply(self, path: str, body: Json, manager: str, **query: str) -> Json:
        """Server-side apply as field manager ``manager``, by force."""
        query = {"fieldManager": manager, "force": "true", **query}
        return await self._request("PATCH", path, query, body, APPLY_PATCH)

    async def delete(self, path: str, options: Json | None = None, **query: str) -> Json:
        """DELETE an object or a collection; ``options`` (DeleteOptions) or a query such as ``gracePeriodSeconds="0"``,
        ``propagationPolicy="Background"``.
        """
        return await self._request("DELETE", path, query, options)

    async def discard(self, path: str, **query: str) -> None:
        """DELETE an object that may be gone already."""
        try:
            await self.delete(path, None, **query)
        except ApiError as error:
            if error.status != 404:
                raise

    async def watch(self, path: str, version: str, **query: str) -> AsyncIterator[tuple[str, Json]]:
        """Events after resource version ``version`` as (type, object), until the server ends the stream.

        Raises:
            ApiError: the server refused, or sent an error event (410 for a version that is too old).
        """
        query = {"watch": "true", "resourceVersion": version, **query}
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10)
        # Lines have no bound: an object may be up to 1.5 MiB.
        async with self._opened().get(self._url + path, params=query, headers=self._headers, timeout=timeout) as answer:
            await _refuse(f"watch {path}", answer)
            buffer = bytearray()
            async for chunk in answer.content.iter_any():
                buffer += chunk
                *lines, rest = buffer.split(b"\n")
                buffer = bytearray(rest)
                for line in lines:
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        raise ApiError(f"watch {path}", event["object"].get("code", 500), event["object"])
                    yield event["type"], event["object"]

    async def _request(
        self, method: str, path: str, query: Mapping[str, str], body: Json | None = None, kind: str = "application/json"
    ) -> Json:
        headers = self._headers | ({"Content-Type": kind} if body is not None else {})
        what, data = f"{method} {path}", None if body is None else json.dumps(body)
        for _ in range(BUSY_TURNS):
            try:
                return await self._send(what, method, path, params=query, data=data, headers=headers)
            except _BusyError:
                await asyncio.sleep(BUSY_SECONDS)
        raise ApiError(what, 429, {"message": f"too busy for {BUSY_TURNS * BUSY_SECONDS:g} s"})

    async def _send(self, what: str, method: str, path: str, **request: Any) -> Json:  # noqa: ANN401 - aiohttp's
        async with self._opened().request(method, self._url + path, **request) as answer:
            # An eviction that a disruption budget forbids is a 429 too, without that header, and an answer.
            if answer.status == 429 and "Retry-After" in answer.headers:
                raise _BusyError
            await _refuse(what, answer)
            found: Json = await answer.json()
            return found

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            context = ssl.create_default_context(cafile=str(self._ca_file))
            timeout = aiohttp.ClientTimeout(total=60)
            self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context), timeout=timeout)
        return self._session


async def _refuse(what: str, answer: aiohttp.ClientResponse) -> None:
    if answer.status < 400:
        return
    text = await answer.text()
    try:
        body = json.loads(text)
    except ValueError:
        body = {"message": text.strip()}
    raise ApiError(what, answer.status, body)
