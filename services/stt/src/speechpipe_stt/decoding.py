"""The model and who waits for it: one call at a time, on a thread of its own, of what is most urgent."""

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final, Literal

from speechpipe_common.consumer import Entry, together
from speechpipe_common.messages import AudioJob
from speechpipe_common.scheduling import Pace
from speechpipe_stt import jobs
from speechpipe_stt.engine import Engine, EngineError, SteppingEngine, Task, Transcription, Utterance
from speechpipe_stt.metrics import SttMetrics
from speechpipe_stt.one_by_one import OneByOne
from speechpipe_stt.scheduling import PRIOR_SECONDS, RETRY_SECONDS, Waiting, choose, overtaken, size

LOOK_AHEAD_SECONDS: Final = 0.15
"""Before the predicted end of a call, when the next jobs are read: enough to fetch their audio and find its features.
Not sooner, since until then an idle worker may take them, and others may come that are more urgent."""

Stale = Literal["expired", "overtaken"]


@dataclass(frozen=True, slots=True)
class Heard:
    """An outcome, and the seconds of the calls that it took part in."""

    outcome: Transcription | EngineError
    seconds: float


@dataclass(slots=True, eq=False)
class Order:
    """A task in this worker's hands, from its first waiting to its outcome."""

    entry: Entry[AudioJob]
    waiting: Waiting
    seconds: float = 0.0
    done: "asyncio.Future[Heard | Stale]" = field(default_factory=asyncio.Future)


class Decoding:
    """Shares a loaded model among the jobs in this worker's hands.

    Args:
        engine: The model; one that only decodes whole utterances is given one at a time.
        most: Utterances of one call at most.
        thread: The one thread that the model is used from.
        metrics: Counts calls.
        model: Its name, for traces.
        preparing: Threads that find speech and features: a second of audio takes 1 ms and more of one, and a GPU
            decodes hundreds in a second.
    """

    def __init__(
        self,
        engine: Engine,
        most: int,
        thread: ThreadPoolExecutor,
        metrics: SttMetrics,
        model: str = "",
        *,
        preparing: int = 1,
    ) -> None:
        self._engine: SteppingEngine = engine if isinstance(engine, SteppingEngine) else OneByOne(engine)
        self._most = most
        self._thread = thread
        self._metrics = metrics
        self._working: asyncio.Task[None] | None = None
        self._name = model
        self._preparing = ThreadPoolExecutor(preparing, thread_name_prefix="prepare")
        self._orders: dict[Waiting, Order] = {}
        self._pace = Pace(PRIOR_SECONDS)
        self._called = 0
        self._ends_at: float | None = None
        self._changed = asyncio.Event()

    async def prepare(self, batch: Sequence[Utterance]) -> list[Task | Transcription | EngineError]:
        """What each utterance needs of the model; in order."""
        calls = [
            asyncio.get_running_loop().run_in_executor(self._preparing, self._engine.prepare, [each]) for each in batch
        ]
        return [task for found in await asyncio.gather(*calls) for task in found]

    def enqueue(self, entry: Entry[AudioJob], task: Task) -> Order:
        """Let the task of a job wait for the model; ``outcome`` must be awaited for it."""
        waiting = Waiting(entry.job, task, time.monotonic())
        order = self._orders[waiting] = Order(entry, waiting)
        if self._working is None or self._working.done():
            # It begins once this turn of the loop is over, so that the first call takes all that was enqueued in it.
            self._working = asyncio.create_task(self._work())
        return order

    async def outcome(self, order: Order) -> Heard | Stale:
        """Wait for what was heard; or why this partial was dropped unheard.

        Raises:
            Exception: the engine failed in a call that this task was part of.
        """
        try:
            return await order.done
        finally:
            self._orders.pop(order.waiting, None)
            self._changed.set()

    async def wants_more(self) -> None:
        """Wait until jobs read now would be the model's next."""
        while (full := self._waiting() >= self._most) or self._remaining() > LOOK_AHEAD_SECONDS:
            self._changed.clear()
            patience = None if full else self._remaining() - LOOK_AHEAD_SECONDS
            try:
                async with asyncio.timeout(patience):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def close(self) -> None:
        """Begin nothing more."""
        self._preparing.shutdown(wait=False, cancel_futures=True)
        if self._working is not None:
            self._working.cancel()
            await asyncio.wait([self._working])

    def _waiting(self) -> int:
        """How many wait for a call that has not begun."""
        return len(self._orders) - self._called

    def _remaining(self) -> float:
        return 0.0 if self._ends_at is None else self._ends_at - time.monotonic()

    async def _work(self) -> None:
        """Make calls until nothing waits."""
        while True:
            self._drop_stale()
            waiting = [each for each, order in self._orders.items() if not order.done.done()]
            if not waiting:
                return
            await self._call([self._orders[each] for each in choose(waiting, self._most, self._pace)])

    async def _call(self, chosen: Sequence[Order]) -> None:
        tasks = [order.waiting.task for order in chosen]
        began, work = time.monotonic(), size(tasks)
        self._called, self._ends_at = len(tasks), began + self._pace.predict(work)
        self._changed.set()
        try:
            with together("decode", [order.entry for order in chosen], model=self._name):
                outcomes = await asyncio.get_running_loop().run_in_executor(self._thread, self._engine.step, tasks)
        except Exception as error:  # noqa: BLE001 - it is raised where each of these tasks is waited for
            for order in chosen:
                if not order.done.done():
                    order.done.set_exception(error)
            return
        finally:
            self._called, self._ends_at = 0, None
            self._changed.set()
        seconds = time.monotonic() - began
        self._pace.learn(work, seconds)
        self._metrics.called(len(tasks), seconds)
        for order, outcome in zip(chosen, outcomes, strict=True):
            order.seconds += seconds
            self._settle(order, outcome)

    def _settle(self, order: Order, outcome: Transcription | EngineError | Task) -> None:
        if isinstance(outcome, Transcription | EngineError):
            if not order.done.done():
                order.done.set_result(Heard(outcome, order.seconds))
            return
        if self._orders.pop(order.waiting, None):
            order.waiting = Waiting(order.entry.job, outcome, time.monotonic() + RETRY_SECONDS)
            self._orders[order.waiting] = order

    def _drop_stale(self) -> None:
        now = time.time()
        for waiting, order in self._orders.items():
            if order.done.done():
                continue
            if jobs.expired(order.entry.job, now):
                order.done.set_result("expired")
            elif overtaken(waiting, tuple(self._orders)):
                order.done.set_result("overtaken")
