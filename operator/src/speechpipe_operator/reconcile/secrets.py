"""Secrets: the password of the managed Redis is made once and kept; those that the spec names are looked at.

Secrets are read one by one and never listed, so that a role for the whole cluster need not show them all. What is kept
of one is checksums. The password is changed by hand: move ``password`` of ``<pipeline>-redis-auth`` to
``password-previous`` and put a new one in its place. Redis, which accepts both, is replaced first; its clients follow
when it is ready (``PasswordRollout``). Taking ``password-previous`` away later ends the old one. A Secret that was
deleted is made anew, with a new password, and the same happens.
"""

import math
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from speechpipe_operator.kube import Conflict, KubeApi
from speechpipe_operator.objects import Object, checksum
from speechpipe_operator.observed import WorkloadState
from speechpipe_operator.render.secrets import PASSWORD_BYTES, PASSWORD_KEY, password_of

FRESH_SECONDS: Final = 30.0
"""What was read of a Secret is believed for so long: reconciles come in bursts."""

MOST: Final = 20_000
"""Secrets, and passwords of pipelines, remembered; beyond it all are forgotten and read again."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is kept of a Secret."""

    uid: str
    owners: tuple[Object, ...]
    """Its owner references."""
    sums: Mapping[str, str]
    """Checksum of the value, by key."""


class Secrets:
    """Looks at Secrets, and makes those that are the operator's to make.

    Args:
        clock: gives monotonic seconds.
        resync: seconds between two looks at a pipeline at rest; the second one reads anew what the first has read.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, resync: float = math.inf) -> None:
        self._clock = clock
        self._resync = resync
        self._seen: dict[tuple[str, str], tuple[float, Facts]] = {}

    async def look(self, api: KubeApi, namespace: str, name: str, *, fresh: bool = False) -> Facts | None:
        """What is known of a Secret; None where there is none. ``fresh``: read it, whatever is known.

        Raises:
            KubeError: it can't be read.
        """
        read, facts = self._seen.get((namespace, name), (0.0, None))
        believed = min(FRESH_SECONDS, self._resync / 2)
        if facts is not None and not fresh and self._clock() - read < believed:
            return facts
        found = await api.find("Secret", namespace, name)
        return None if found is None else self._remember(found)

    def last(self, namespace: str, name: str) -> Facts | None:
        """What was known of a Secret last, whether it is still there or not."""
        return self._seen.get((namespace, name), (0.0, None))[1]

    async def ensure(self, api: KubeApi, wanted: Object) -> Facts:
        """The Secret as it is, made first where there is none; one that has lost its password gets a new one.

        Args:
            api: the cluster.
            wanted: the Secret without its password.

        Raises:
            KubeError: it can't be read or made.
        """
        namespace, name = wanted["metadata"]["namespace"], wanted["metadata"]["name"]
        found = await self.look(api, namespace, name)
        if found is not None and not _has_owner(found, wanted):
            found = await self.look(api, namespace, name, fresh=True)
        if found is None:
            try:
                made = await api.create({**wanted, "stringData": {PASSWORD_KEY: _password()}})
            except Conflict:  # somebody was first: theirs is the one
                made = await api.get("Secret", namespace, name)
            found = self._remember(made)
        if PASSWORD_KEY not in found.sums and _has_owner(found, wanted):
            change = {"metadata": {"uid": found.uid}, "stringData": {PASSWORD_KEY: _password()}}
            found = self._remember(await api.patch("Secret", namespace, name, change))
        return found

    def _remember(self, found: Object) -> Facts:
        metadata = found["metadata"]
        facts = Facts(
            uid=metadata["uid"],
            owners=tuple(metadata.get("ownerReferences") or ()),
            sums={key: checksum(value) for key, value in (found.get("data") or {}).items() if value},
        )
        if len(self._seen) >= MOST:
            self._seen.clear()
        self._seen[metadata["namespace"], metadata["name"]] = (self._clock(), facts)
        return facts


class PasswordRollout:
    """Which password Redis and its clients are rendered with, so that Redis is replaced first. Pure.

    It forgets with the process: after a restart of the operator in the midst of a change, clients are replaced along
    with Redis, and wait for it.
    """

    def __init__(self) -> None:
        self._redis: dict[str, str] = {}
        self._clients: dict[str, str] = {}

    def for_clients(self, uid: str, redis_sum: str, clients_sum: str, redis: Sequence[WorkloadState]) -> str:
        """The checksum that the clients get now.

        Args:
            uid: of the pipeline.
            redis_sum: of all that Redis accepts.
            clients_sum: of what clients use.
            redis: the StatefulSets, those that are seen.
        """
        had = self._clients.get(uid, clients_sum)
        if had == clients_sum:
            return clients_sum
        told = self._redis.get(uid) == redis_sum
        ready = bool(redis) and all(not each.rolling and each.ready >= each.desired for each in redis)
        return clients_sum if told and ready else had

    def applied(self, uid: str, redis_sum: str, clients_sum: str) -> None:
        """Redis and clients have been applied with these."""
        if len(self._redis) >= MOST:
            self._redis.clear()
            self._clients.clear()
        self._redis[uid], self._clients[uid] = redis_sum, clients_sum


def _password() -> str:
    return password_of(secrets.token_bytes(PASSWORD_BYTES))


def _has_owner(found: Facts, wanted: Object) -> bool:
    owner = wanted["metadata"]["ownerReferences"][0]["uid"]
    return any(item["uid"] == owner and item.get("controller") for item in found.owners)
