"""A real worker process for the consumer's tests: what it does with a job is written in the job.

Lists in Redis tell what happened: ``begun`` has a JSON object for each entry that reached the handler, ``done`` the
number of each job that this worker settled.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from functools import partial

import msgspec

from speechpipe_common import logs
from speechpipe_common.consumer import Entry, ShardContext, Work, WorkerContext, serve_worker
from speechpipe_common.messages import MessageError
from speechpipe_common.process import run
from speechpipe_common.settings import WorkerSettings, load
from speechpipe_common.store import connect
from speechpipe_common.testing import eventually

STREAMS = ("jobs", "jobs:partial")
GROUP = "workers"


class Task(msgspec.Struct):
    """A job of the tests; ``do`` is ok, die, fail, leave, or wait (until the key ``go`` exists)."""

    number: int
    do: str = "ok"


def decode(payload: bytes) -> Task:
    """Read a task as a service reads its jobs."""
    try:
        return msgspec.json.decode(payload, type=Task)
    except msgspec.DecodeError as error:
        raise MessageError(f"not a Task: {error}") from error


class Worker:
    """A handler that obeys."""

    def __init__(self, url: str, context: ShardContext) -> None:
        self._redis = connect(url)
        self._context = context

    async def handle(self, entries: "Sequence[Entry[Task]]") -> None:
        """Note the batch, then do what each of its jobs says."""
        for entry in entries:
            note = {
                "worker": self._context.instance_id,
                "number": entry.job.number,
                "batch": len(entries),
                "deliveries": entry.deliveries,
            }
            await self._context.link.insist(partial(self._redis.rpush, "begun", msgspec.json.encode(note)))
        for entry in entries:
            await self._do(entry)

    async def _do(self, entry: Entry[Task]) -> None:
        if entry.job.do == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if entry.job.do == "fail":
            raise ValueError("told to fail")
        if entry.job.do == "leave":
            return
        if entry.job.do == "wait":
            await eventually(lambda: self._context.link.insist(lambda: self._redis.exists("go")), "the key 'go'", 120)
        if await self._context.link.insist(lambda: self._context.store.drop(entry.ref)):
            await self._context.link.insist(lambda: self._redis.rpush("done", entry.job.number))


async def main(stop: asyncio.Event) -> None:
    """Serve until told to stop."""
    settings = load(WorkerSettings)

    async def make(_: WorkerContext) -> Work[Task]:
        return Work(
            streams=STREAMS,
            group=GROUP,
            decode=decode,
            handler=lambda shard: Worker(settings.redis_urls[shard.shard], shard).handle,
            max_batch=int(os.environ.get("TEST_MAX_BATCH", "4")),
            parallel=int(os.environ.get("TEST_PARALLEL", "1")),
        )

    await serve_worker(settings, "test", make, stop)


if __name__ == "__main__":
    logs.configure(component="test", instance_id=os.environ.get("INSTANCE_ID", ""), form="json")
    sys.exit(run(main))
