"""List and watch for ever: every object, every change, over lost connections and restarts of the API server."""

import asyncio
import random
from collections.abc import AsyncIterator

import aiohttp

from speechpipe_operator.testing.rest import ApiError, Json, Rest

RETRY_SECONDS = 0.2
DELETED = "DELETED"


async def follow(rest: Rest, path: str, **query: str) -> AsyncIterator[tuple[str, Json]]:
    """Events of a collection as (type, object), beginning with an ADDED for each object that is there.

    After a lost watch the collection is listed again: what is there comes once more, as MODIFIED, and what has gone
    meanwhile as DELETED. It never ends by itself: cancel the task that reads it.
    """
    known: dict[str, Json] = {}
    while True:
        try:
            listing = await rest.get(path, **query)
            current = {item["metadata"]["uid"]: item for item in listing["items"]}
            for uid in known.keys() - current.keys():
                yield DELETED, known.pop(uid)
            for uid, item in current.items():
                yield ("MODIFIED" if uid in known else "ADDED"), item
            known = current
            async for kind, item in rest.watch(path, listing["metadata"]["resourceVersion"], **query):
                if kind == DELETED:
                    known.pop(item["metadata"]["uid"], None)
                else:
                    known[item["metadata"]["uid"]] = item
                yield kind, item
        except (aiohttp.ClientError, ApiError, OSError):  # TimeoutError is an OSError
            await asyncio.sleep(RETRY_SECONDS * random.uniform(0.5, 1.5))
