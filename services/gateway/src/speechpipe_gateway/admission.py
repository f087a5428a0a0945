"""Whether a connection or a session is let in: numbers in, a decision out."""

from dataclasses import dataclass
from typing import Final

RETRY_SOON: Final = 5
RETRY_LATER: Final = 30
"""Seconds that a refused client is asked to wait: for a place here, or for a queue or a store to empty."""

REFUSALS: Final = (
    "draining",
    "redis_unavailable",
    "full",
    "key_full",
    "overloaded",
    "storage_full",
    "too_many_unauthenticated",
    "auth_timeout",
    "auth_too_big",
)
"""Codes of ``Refuse``; said to clients and shown by a metric, so never renamed."""


@dataclass(frozen=True, slots=True)
class Admit:
    """Come in."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """Not now; said with HTTP 503 and ``Retry-After``, or with an ``error`` and a close."""

    code: str
    message: str
    retry_after: int
    """Seconds."""


Decision = Admit | Refuse


@dataclass(frozen=True, slots=True)
class Limits:
    """What one gateway takes."""

    max_sessions: int
    max_sessions_per_key: int
    max_queue_depth: int
    max_memory_percent: int
    max_unauthenticated: int
    max_unauthenticated_per_address: int
    auth_timeout_seconds: float
    pre_auth_bytes: int


@dataclass(frozen=True, slots=True)
class Load:
    """What this gateway and its Redis carry now."""

    sessions: int
    """Of this gateway."""
    key_sessions: int
    """Of these, those of the key that asks."""
    queue_depth: int
    """Finals and candidates that no worker has finished."""
    memory_percent: float | None
    """Of Redis's maxmemory; None without a maxmemory."""
    redis_ready: bool
    draining: bool


def admit_session(limits: Limits, load: Load, key_max_sessions: int | None, *, resuming: bool) -> Decision:
    """Whether a session may begin, or go on here.

    A session that resumes brings work that was accepted before, so queue depth and memory do not keep it out.

    Args:
        limits: Of this gateway.
        load: Without the session that asks.
        key_max_sessions: The key's own limit; None: the common one.
        resuming: The session exists already.
    """
    of_key = limits.max_sessions_per_key if key_max_sessions is None else key_max_sessions
    if load.draining:
        return Refuse("draining", "this gateway is shutting down; connect again to reach another", 1)
    if not load.redis_ready:
        return Refuse("redis_unavailable", "the gateway has lost its Redis; connect again in a moment", RETRY_SOON)
    if load.sessions >= limits.max_sessions:
        return Refuse("full", f"all {limits.max_sessions} sessions of this gateway are taken; try later", RETRY_SOON)
    if load.key_sessions >= of_key:
        return Refuse("key_full", f"all {of_key} sessions of this API key are in use; end one first", RETRY_SOON)
    if resuming:
        return Admit()
    if load.queue_depth >= limits.max_queue_depth:
        return Refuse(
            "overloaded",
            f"{load.queue_depth} jobs wait for a worker, {limits.max_queue_depth} is the limit; try later",
            RETRY_LATER,
        )
    if load.memory_percent is not None and load.memory_percent >= limits.max_memory_percent:
        return Refuse(
            "storage_full",
            f"Redis is {load.memory_percent:.0f} % full, {limits.max_memory_percent} % is the limit; try later",
            RETRY_LATER,
        )
    return Admit()


def admit_socket(limits: Limits, unauthenticated: int, of_address: int, *, draining: bool) -> Decision:
    """Whether a connection that has shown no key yet may be opened.

    Args:
        limits: Of this gateway.
        unauthenticated: Open connections without a key, without this one.
        of_address: Of these, those from the same address.
        draining: The process has been told to stop.
    """
    if draining:
        return Refuse("draining", "this gateway is shutting down; connect again to reach another", 1)
    if of_address >= limits.max_unauthenticated_per_address:
        return Refuse(
            "too_many_unauthenticated",
            f"{of_address} connections from this address have shown no API key; show one or close some",
            RETRY_SOON,
        )
    if unauthenticated >= limits.max_unauthenticated:
        return Refuse(
            "too_many_unauthenticated",
            f"{unauthenticated} connections have shown no API key; send it in the Authorization header, or try later",
            RETRY_SOON,
        )
    return Admit()


def admit_waiting(limits: Limits, age_seconds: float, received_bytes: int) -> Decision:
    """Whether a connection that has shown no key yet may stay, so old and after so many bytes."""
    if age_seconds >= limits.auth_timeout_seconds:
        return Refuse(
            "auth_timeout", f"no API key came within {limits.auth_timeout_seconds:g} s; send auth at once", RETRY_SOON
        )
    if received_bytes > limits.pre_auth_bytes:
        return Refuse(
            "auth_too_big",
            f"{received_bytes} bytes came before an API key, {limits.pre_auth_bytes} is the limit; send auth first",
            RETRY_SOON,
        )
    return Admit()


class Budget:
    """A token bucket: ``rate`` a second, a second's worth at once.

    Args:
        rate: What may be spent in a second.
        now: Seconds of any steady clock.
    """

    def __init__(self, rate: float, now: float) -> None:
        self._rate = rate
        self._left = rate
        self._at = now

    def spend(self, amount: float, now: float) -> float:
        """Take ``amount``; how many seconds to wait before the next is taken, 0 within the budget."""
        self._left = min(self._rate, self._left + (now - self._at) * self._rate) - amount
        self._at = now
        return max(0.0, -self._left / self._rate)
