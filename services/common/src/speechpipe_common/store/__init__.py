"""All that Speechpipe writes to Redis: Lua functions for each write with a condition, and thin async callers."""

from speechpipe_common.store.client import connect
from speechpipe_common.store.session import (
    FencedError,
    ResumeDeniedError,
    SessionLostError,
    SessionStore,
    StoredSession,
)
from speechpipe_common.store.worker import (
    Fetched,
    JobRef,
    MissingAudio,
    Outcome,
    Overtaken,
    WorkerStore,
)

__all__ = [
    "FencedError",
    "Fetched",
    "JobRef",
    "MissingAudio",
    "Outcome",
    "Overtaken",
    "ResumeDeniedError",
    "SessionLostError",
    "SessionStore",
    "StoredSession",
    "WorkerStore",
    "connect",
]
