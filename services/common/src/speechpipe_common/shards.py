"""A pipeline over several Redis: which of them holds a client, and how their addresses and tokens are written. Pure.

Shards are numbered from 0 by their place in the list of addresses. All keys of a client lie on one of them, so that
each Lua function stays whole. A new session is placed by rendezvous hashing of its client id (Thaler and Ravishankar,
1998): a shard that is added takes its share of the clients and moves no other; one that is taken away moves only its
own. A session that exists stays where it is: its resume token names the shard.
"""

import hashlib
import re
from collections.abc import Collection
from typing import Final
from urllib.parse import urlsplit

MOST_SHARDS: Final = 16

_BEFORE_ADDRESS: Final = re.compile(r"[\s,]+(?=[a-z]+://)")
"""Where one address ends and the next begins; a comma inside a password is none."""

_PINNED: Final = re.compile(r"([1-9][0-9]?)\.(.*)", re.DOTALL)
"""Shard and secret of a token. The secret is base64url, which has no dot."""


def place(client: str, shards: Collection[int]) -> int:
    """The shard, one of ``shards``, that holds a client.

    Raises:
        ValueError: there is no shard.
    """
    return max(shards, key=lambda shard: (_weight(client, shard), shard))


def _weight(client: str, shard: int) -> bytes:
    """As good as random, and always the same for the same, on every machine."""
    return hashlib.blake2b(f"{shard}:{client}".encode(), digest_size=8).digest()


def pinned(shard: int, secret: str) -> str:
    """A resume token that says where its session is; on the first shard the secret alone, as without shards."""
    return f"{shard}.{secret}" if shard else secret


def shard_of(token: str) -> int:
    """The shard that a token names; the first where it names none."""
    found = _PINNED.fullmatch(token)
    return int(found.group(1)) if found else 0


def addresses(text: str) -> tuple[str, ...]:
    """The addresses in a list with commas (or white space, as in a file) between them, in order.

    A text that is one address comes back as it is, whatever characters its password has.
    """
    return tuple(part for part in _BEFORE_ADDRESS.split(text.strip().rstrip(",")) if part)


def repeated(urls: Collection[str]) -> str:
    """Host, port and database of the first server that is named twice, by whatever name and password; else empty."""
    seen = set()
    for url in urls:
        where = _server(url)
        if where in seen:
            return where
        seen.add(where)
    return ""


def _server(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return parts.path
    return f"{parts.hostname}:{parts.port or 6379}/{parts.path.strip('/') or 0}"
