"""Spans of jobs: how long each waited on its stream, and what was done with it."""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Final

from speechpipe_common.consumer.group import Delivered
from speechpipe_common.consumer.handler import Entry
from speechpipe_common.tracing import Attribute, Span, Tracing


class JobTraces:
    """Begins the span of each job whose segment is traced.

    Args:
        tracing: records.
        name: of the spans.
    """

    def __init__(self, tracing: Tracing, name: str) -> None:
        self._tracing = tracing
        self._name = name

    def begin(self, item: Delivered) -> Span:
        """The job's span, from its arrival on the stream, with the wait that is over now."""
        if not item.context:
            return self._tracing.follow(self._name, "")
        now = time.time()
        arrived = min(_arrival(item.ref.entry), now)  # Redis may have another clock
        span = self._tracing.follow(self._name, item.context, at=arrived, deliveries=item.deliveries)
        span.child("wait", at=arrived).end(now)
        return span


UNTRACED: Final = JobTraces(Tracing(), "")


@contextmanager
def together(name: str, entries: Sequence[Entry[Any]], **attributes: Attribute) -> Iterator[None]:
    """One piece of work for a batch: a span under each of its jobs, linked to the other jobs of the batch."""
    contexts = [entry.span.context for entry in entries]
    with ExitStack() as stack:
        for number, entry in enumerate(entries):
            links = [context for other, context in enumerate(contexts) if context and other != number]
            stack.enter_context(entry.span.child(name, at=None, links=links, batch=len(entries), **attributes))
        yield


def _arrival(entry: str) -> float:
    """Unix seconds of an entry id of a Redis stream, which begins with milliseconds."""
    return int(entry.partition("-")[0]) / 1000
