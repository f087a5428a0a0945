"""The managed Redis of a pipeline: how many there are, and how the components are called that they are. Pure."""

from dataclasses import dataclass
from typing import Final

from speechpipe_operator.spec import Spec

REDIS: Final = "redis"


@dataclass(frozen=True, slots=True)
class Shards:
    """How many managed Redis there are while their number changes.

    A new one is read by the workers before gateways put sessions on it; one that is to go gets no new sessions, and
    runs until it has none.
    """

    running: int
    """Redis that run and that workers read."""
    known: int
    """Those of them, from the first, that gateways know."""
    placing: int
    """Those of these, from the first, that take new sessions."""


def shard_name(number: int) -> str:
    """The component of a shard; the first is called as if it were the only one."""
    return f"{REDIS}-{number}" if number else REDIS


def is_redis(component: str) -> bool:
    """Whether a component is a shard."""
    return component == REDIS or component.startswith(f"{REDIS}-")


def wanted_shards(spec: Spec) -> Shards:
    """What the spec asks for, once no change is under way."""
    count = spec.redis.managed.shards if spec.redis.managed is not None else 0
    return Shards(count, count, count)
