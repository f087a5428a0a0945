"""kopf's connection: the same credentials as our own, and every request of it counted like our own."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Final

import aiohttp
import kopf

from speechpipe_operator.kube import KINDS, Call, connect

Count = Callable[[Call, int], None]
"""Told of each request and its HTTP status; 0: no answer."""

_BY_PLURAL: Final = {kind.plural: kind for kind in KINDS.values()}


async def open_session(count: Count) -> kopf.AiohttpSession:
    """A session for kopf, which closes it; called again when the API server no longer takes the credentials.

    Raises:
        NoCluster: nothing says where the API server is.
    """
    client = await connect()
    headers: dict[str, str] = {"User-Agent": client.user_agent}
    await client.update_params_for_auth(headers, None, ["BearerToken"], "/", "GET", None)
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ssl=client.rest_client.ssl_context),
        headers=headers,
        proxy=client.configuration.proxy,
        trace_configs=[_counting(count)],
    )
    server: str = client.configuration.host
    await client.close()  # type: ignore[no-untyped-call]
    return kopf.AiohttpSession(server=server, aiohttp_session=session)


def call_of(path: str, query: str) -> Call:
    """What a GET of that path asks for, as RBAC sees it; discovery is a ``get`` of the path itself."""
    parts = path.strip("/").split("/")
    rest = parts[2:] if parts[0] == "api" else parts[3:]
    if not rest:
        return Call("get", path, path)
    namespace = None
    if len(rest) > 2 and rest[0] == "namespaces":
        namespace, rest = rest[1], rest[2:]
    kind = _BY_PLURAL.get(rest[0])
    verb = "watch" if "watch=true" in query else "get" if len(rest) > 1 else "list"
    group = parts[1] if parts[0] == "apis" else ""
    return Call(verb, kind.name if kind else rest[0], rest[0], group, namespace)


def _counting(count: Count) -> aiohttp.TraceConfig:
    trace = aiohttp.TraceConfig()

    async def answered(_: object, __: SimpleNamespace, params: aiohttp.TraceRequestEndParams) -> None:
        count(call_of(params.url.path, params.url.query_string), params.response.status)

    async def failed(_: object, __: SimpleNamespace, params: aiohttp.TraceRequestExceptionParams) -> None:
        count(call_of(params.url.path, params.url.query_string), 0)

    trace.on_request_end.append(answered)
    trace.on_request_exception.append(failed)
    return trace
