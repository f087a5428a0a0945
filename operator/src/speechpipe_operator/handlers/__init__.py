"""kopf, as a watcher and nothing else: it lists and watches, and what it sees is handed on as plain events.

It runs in a thread with an event loop of its own, since it takes every task of its loop for its own and cancels them
when it ends. No handler of it stores anything on an object: only ``on.event`` is used, without finalizers, annotations,
timers, daemons, peering or posting.
"""

from speechpipe_operator.handlers.events import WatchEvent
from speechpipe_operator.handlers.thread import Watched, WatchThread

__all__ = ["WatchEvent", "WatchThread", "Watched"]
