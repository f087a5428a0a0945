"""The models and who waits for them: as many calls as there are threads, each of what is most urgent by then."""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

from speechpipe_common.consumer import Entry, together
from speechpipe_common.messages import TextJob
from speechpipe_common.scheduling import Pace
from speechpipe_translate.engines.base import Outcome
from speechpipe_translate.metrics import TranslateMetrics
from speechpipe_translate.scheduling import Direction, Stale, Waiting, choose, stale, work

Translate = Callable[[str, str, Sequence[str]], list[Outcome]]
"""Source, target and texts to an outcome for each; blocks."""

_PRIOR_SECONDS: Final = 0.0005
"""For a character, before the first call: an OPUS-MT model in int8 on two cores."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An outcome, and the seconds of the call that it came from."""

    outcome: Outcome
    seconds: float


@dataclass(slots=True, eq=False)
class _Order:
    """A job in this worker's hands, from its waiting to its answer."""

    entry: Entry[TextJob]
    waiting: Waiting
    called: bool = False
    done: "asyncio.Future[Answer | Stale]" = field(default_factory=asyncio.Future)


class Dispatcher:
    """Shares the models among the jobs in this worker's hands, whichever read and shard they came by.

    A direction has one call at a time, since its model does; what comes meanwhile is the next call.

    Args:
        translate: does the work, in a thread.
        most: texts of one call at most.
        threads: calls at a time.
        metrics: counts calls.
    """

    def __init__(self, translate: Translate, most: int, threads: int, metrics: TranslateMetrics) -> None:
        self._translate = translate
        self._most = most
        self._threads = threads
        self._metrics = metrics
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="model")
        self._orders: list[_Order] = []
        self._busy: dict[Direction, asyncio.Task[None]] = {}
        self._pace = Pace(_PRIOR_SECONDS)
        self._due = False
        self._changed = asyncio.Event()

    async def answer(self, entry: Entry[TextJob]) -> Answer | Stale:
        """Wait for the job's translation; or why this partial was dropped untranslated.

        Raises:
            Exception: the models failed as a whole in the call that this text was part of.
        """
        order = _Order(entry, Waiting(entry.job, time.monotonic()))
        self._orders.append(order)
        self._dispatch_soon()
        try:
            return await order.done
        finally:
            self._orders.remove(order)
            self._changed.set()

    async def wants_more(self) -> None:
        """Wait until jobs read now would be the next of a model that is free, or soon will be."""
        while len(self._busy) == self._threads or self._waiting() >= self._most:
            self._changed.clear()
            await self._changed.wait()

    async def close(self) -> None:
        """Wait for the calls that run; nobody may be waiting for an answer any more."""
        if calls := list(self._busy.values()):
            await asyncio.wait(calls)
        self._executor.shutdown(cancel_futures=True)

    def _waiting(self) -> int:
        return sum(not order.called for order in self._orders)

    def _dispatch_soon(self) -> None:
        """Begin calls once this turn of the loop is over, so that they take all that has come in it."""
        if not self._due:
            self._due = True
            asyncio.get_running_loop().call_soon(self._dispatch)

    def _dispatch(self) -> None:
        self._due = False
        self._drop_stale()
        while len(self._busy) < self._threads:
            free = {order.waiting: order for order in self._orders if not order.called and not order.done.done()}
            chosen = [free[each] for each in choose(list(free), self._busy, self._most, self._pace)]
            if not chosen:
                return
            for order in chosen:
                order.called = True
            direction = chosen[0].waiting.direction
            self._busy[direction] = asyncio.create_task(self._call(direction, chosen))
            self._changed.set()

    async def _call(self, direction: Direction, chosen: Sequence[_Order]) -> None:
        source, target = direction
        texts = [order.entry.job.text for order in chosen]
        began = time.monotonic()
        try:
            with together("translate", [order.entry for order in chosen], source=source, target=target):
                outcomes = await asyncio.get_running_loop().run_in_executor(
                    self._executor, self._translate, source, target, texts
                )
            seconds = time.monotonic() - began
            self._pace.learn(work([order.waiting for order in chosen]), seconds)
            self._metrics.translated(source, target, outcomes, seconds)
            for order, outcome in zip(chosen, outcomes, strict=True):
                if not order.done.done():
                    order.done.set_result(Answer(outcome, seconds))
        except Exception as error:  # noqa: BLE001 - it is raised where each of these jobs is waited for
            for order in chosen:
                if not order.done.done():
                    order.done.set_exception(error)
        finally:
            del self._busy[direction]
            self._changed.set()
            self._dispatch_soon()

    def _drop_stale(self) -> None:
        now = time.time()
        jobs = [order.entry.job for order in self._orders if not order.done.done()]
        for order in self._orders:
            reason = None if order.called or order.done.done() else stale(order.entry.job, jobs, now)
            if reason:
                order.done.set_result(reason)
