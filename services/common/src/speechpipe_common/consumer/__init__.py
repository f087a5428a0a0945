"""The one loop of every worker: read, claim, keep alive, bury, hand back, and live through Redis going away."""

from speechpipe_common.consumer.delivery import DeliveryPolicy
from speechpipe_common.consumer.handler import Burier, Entry, Handler
from speechpipe_common.consumer.link import RedisLink
from speechpipe_common.consumer.loop import Consumer
from speechpipe_common.consumer.traces import JobTraces, together
from speechpipe_common.consumer.worker import Work, WorkerContext, serve_worker

__all__ = [
    "Burier",
    "Consumer",
    "DeliveryPolicy",
    "Entry",
    "Handler",
    "JobTraces",
    "RedisLink",
    "Work",
    "WorkerContext",
    "serve_worker",
    "together",
]
