"""Requests to an API server: signed, bounded, watched over, tried again where that is safe."""

import asyncio
import json
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlencode

import aiohttp
from kubernetes.aio.client import ApiClient

from speechpipe_operator.kube.errors import Call, KubeError, Unavailable, from_answer
from speechpipe_operator.kube.retry import Retry
from speechpipe_operator.objects import Object

JSON: Final = "application/json"

TRIED_AGAIN: Final = ("get", "list", "apply")
"""Verbs that may be repeated: another write whose answer got lost may have been carried out."""

OnCall = Callable[[Call, int, float], None]
"""Told of each request: what it was, its HTTP status (0: no answer), and how many seconds it took."""

Guard = Callable[[Call], None]
"""Asked before each request, retries too; raises where it may not be sent."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request; ``call`` says in words what it is."""

    call: Call
    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Object | None = None
    content: str = JSON
    """Media type of ``body``."""
    accept: str = JSON


class Transport:
    """Sends requests. Its arguments are those of ``KubeApi``."""

    def __init__(
        self, client: ApiClient, *, concurrency: int, timeout: float, retry: Retry, on_call: OnCall, guard: Guard
    ) -> None:
        self._client = client
        self._slots = asyncio.Semaphore(concurrency)
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._retry = retry
        self._on_call = on_call
        self._guard = guard

    async def send(self, request: Request) -> Object:
        """The answer, after as many tries as are right.

        Raises:
            KubeError: the last one failed.
        """
        attempt = 0
        while True:
            attempt += 1
            try:
                return await self._once(request)
            except KubeError as error:
                wait = self._retry.wait(attempt, error, random.random())
                if wait is None or request.call.verb not in TRIED_AGAIN:
                    raise
            await asyncio.sleep(wait)

    async def _once(self, request: Request) -> Object:
        call, url = request.call, self._client.configuration.host + request.path
        if request.query:
            url += "?" + urlencode(request.query)
        headers = await self._headers(request)
        status, began = 0, time.monotonic()
        async with self._slots:
            self._guard(call)
            try:
                answer = await self._client.rest_client.request(  # type: ignore[no-untyped-call]
                    request.method, url, headers=headers, body=request.body, _request_timeout=self._timeout
                )
                data, status = await answer.read(), answer.status
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                reason = str(error) or type(error).__name__
                raise Unavailable(call, f"can't {call}: the API server gives no answer: {reason}") from error
            finally:
                self._on_call(call, status, time.monotonic() - began)
        if status >= 400:
            raise from_answer(call, status, data, answer.headers.get("Retry-After"))
        return _object(call, data)

    async def _headers(self, request: Request) -> dict[str, str]:
        headers = {"Accept": request.accept, "User-Agent": self._client.user_agent}
        if request.body is not None:
            headers["Content-Type"] = request.content
        await self._client.update_params_for_auth(
            headers, None, ["BearerToken"], request.path, request.method, request.body
        )
        return headers


def _object(call: Call, data: bytes) -> Object:
    try:
        found: Object = json.loads(data)
    except ValueError as error:  # something between us and the API server answers in its stead
        raise Unavailable(call, f"can't {call}: the answer is no JSON: {data[:100]!r}") from error
    return found
