"""Who gets the model when: the real scheduler around an engine that waits to be let go on."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest_asyncio
from prometheus_client import CollectorRegistry

from speechpipe_common.consumer import Entry
from speechpipe_common.messages import AudioJob, JobKind
from speechpipe_common.store import JobRef
from speechpipe_common.testing import eventually
from speechpipe_stt.decoding import Decoding, Heard
from speechpipe_stt.engine import EngineError, Task, Transcription, Utterance
from speechpipe_stt.metrics import SttMetrics

JOB = AudioJob(client="c", epoch=1, segment=0, rev=1, kind="final", turn=0, start=0, end=16_000, submitted_at=0.0)
MOST = 4


@dataclass(eq=False)
class Speech:
    """A task that is done after so many attempts."""

    name: str
    attempts: int = 1
    group: int = 0
    length: float = 0.0

    @property
    def seconds(self) -> float:
        """Of the attempt that is due; once all were made there is none, as with the engine's own tasks."""
        if not self.attempts:
            raise IndexError("every attempt was made")
        return self.length


class Held:
    """An engine whose calls last until they are let go, and that notes them."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self._gate = threading.Semaphore(0)

    def go(self, calls: int = 1) -> None:
        """Let so many calls end."""
        self._gate.release(calls)

    def transcribe(self, batch: Sequence[Utterance]) -> list[Transcription | EngineError]:
        """Nothing here asks for this."""
        raise NotImplementedError

    @property
    def batch_size(self) -> int:
        """As the real one's on a CPU."""
        return 16

    def prepare(self, batch: Sequence[Utterance]) -> list[Task | Transcription | EngineError]:
        """Nor for this."""
        raise NotImplementedError

    def step(self, tasks: Sequence[Task]) -> list[Transcription | EngineError | Task]:
        """Note the call, wait, and answer each task by its name; one called "bad" breaks the engine."""
        speech = [task for task in tasks if isinstance(task, Speech)]
        self.calls.append([each.name for each in speech])
        assert self._gate.acquire(timeout=60)
        if any(each.name == "bad" for each in speech):
            raise MemoryError("bad")
        for each in speech:
            each.attempts -= 1
        return [each if each.attempts else Transcription(each.name, "en", 1.0) for each in speech]


@dataclass
class Model:
    """The scheduler, its engine, and outcomes by name."""

    decoding: Decoding
    engine: Held

    def want(self, *speech: Speech, kind: JobKind = "final", **job: object) -> list["asyncio.Task[object]"]:
        """Ask for some speech together; what becomes of each is ``said``."""
        jobs = [msgspec.structs.replace(JOB, kind=kind, client=each.name, **job) for each in speech]
        entries = [Entry(JobRef("jobs", "group", f"{number}-0"), one, b"", 1) for number, one in enumerate(jobs)]
        orders = [self.decoding.enqueue(entry, each) for entry, each in zip(entries, speech, strict=True)]
        return [asyncio.create_task(said(self.decoding, order)) for order in orders]

    async def calling(self, calls: int) -> None:
        """Wait until so many calls have begun."""
        await eventually(lambda: len(self.engine.calls) >= calls, f"call {calls}", 60)


async def said(decoding: Decoding, order: object) -> object:
    """The text, why it was dropped, or the engine's failure."""
    try:
        outcome = await decoding.outcome(order)  # type: ignore[arg-type]  # made by ``enqueue``
    except MemoryError as error:
        return error
    return (
        outcome.outcome.text if isinstance(outcome, Heard) and isinstance(outcome.outcome, Transcription) else outcome
    )


@pytest_asyncio.fixture
async def model() -> AsyncIterator[Model]:
    """A scheduler with calls of four at most."""
    engine = Held()
    with ThreadPoolExecutor(1) as thread:
        decoding = Decoding(engine, MOST, thread, SttMetrics(CollectorRegistry()))
        yield Model(decoding, engine)
        engine.go(100)
        await decoding.close()


def names(prefix: str, count: int) -> list[Speech]:
    """Speech of that many clients."""
    return [Speech(f"{prefix}{index}") for index in range(count)]


async def test_what_waits_together_is_decoded_together(model: Model) -> None:
    """Six that wait at the same time make a call of four and a call of two, and each has its own text."""
    waiting = model.want(*names("s", 6))
    model.engine.go(2)
    assert await asyncio.gather(*waiting) == [f"s{index}" for index in range(6)]
    assert [len(call) for call in model.engine.calls] == [4, 2]


async def test_an_outcome_waits_for_no_later_call(model: Model) -> None:
    """What a call has decoded is said while the next call runs."""
    early, late = model.want(*names("early", 2)), model.want(Speech("late", group=1))
    model.engine.go()
    assert await asyncio.gather(*early) == ["early0", "early1"]
    await model.calling(2)
    assert not late[0].done()
    model.engine.go()
    await asyncio.gather(*late)


async def test_a_final_goes_before_partials_that_came_first(model: Model) -> None:
    """Of what comes while a call runs, the final is next, though partials have waited longer."""
    first = model.want(Speech("first"))
    await model.calling(1)
    partials = model.want(*names("p", 2), kind="partial")
    final = model.want(Speech("final"))
    model.engine.go(3)
    await asyncio.gather(*first, *partials, *final)
    assert model.engine.calls == [["first"], ["final"], ["p0", "p1"]]


async def test_another_attempt_stands_back(model: Model) -> None:
    """What fails is tried again after what has come meanwhile, and ends with its text."""
    hard = model.want(Speech("hard", attempts=3), Speech("easy"))
    await model.calling(1)
    fresh = model.want(Speech("fresh"))
    model.engine.go(4)
    assert await asyncio.gather(*hard, *fresh) == ["hard", "easy", "fresh"]
    assert model.engine.calls[1][0] == "fresh"


async def test_a_broken_call_fails_its_own_and_no_others(model: Model) -> None:
    """When the engine fails, the tasks of that call get the failure and those of the next their text."""
    broken = model.want(Speech("bad"), *names("s", 3))
    sound = model.want(Speech("later"))
    model.engine.go(2)
    outcomes = await asyncio.gather(*broken, *sound)
    assert [isinstance(outcome, MemoryError) for outcome in outcomes] == [True] * 4 + [False]
    assert outcomes[-1] == "later"


async def test_stale_partials_never_reach_the_model(model: Model) -> None:
    """A partial that expired, or whose segment has a newer job waiting, is dropped when the model becomes free."""
    first = model.want(Speech("first"))
    await model.calling(1)
    expired = model.want(Speech("expired"), kind="partial", expires_at=time.time() - 1)
    older = model.want(Speech("twice"), kind="partial", rev=1)
    newer = model.want(Speech("twice"), kind="partial", rev=2)
    model.engine.go(2)
    assert await asyncio.gather(*first, *expired, *older, *newer) == ["first", "expired", "overtaken", "twice"]
    assert model.engine.calls == [["first"], ["twice"]]


async def _opens(call: Callable[[], Coroutine[Any, Any, None]]) -> "asyncio.Task[None]":
    task = asyncio.ensure_future(call())
    await asyncio.sleep(0)
    return task


async def test_more_is_wanted_until_the_next_call_is_full(model: Model) -> None:
    """An idle worker wants jobs; one with a full call running and another waiting wants none until there is room."""
    await model.decoding.wants_more()
    running = model.want(*names("r", MOST))
    await model.calling(1)
    waiting = model.want(*names("w", MOST))
    asking = await _opens(model.decoding.wants_more)
    assert not asking.done()
    model.engine.go()
    await model.calling(2)
    await asyncio.wait_for(asking, 60)
    model.engine.go()
    await asyncio.gather(*running, *waiting)


async def test_jobs_are_left_to_others_while_a_long_call_runs(model: Model) -> None:
    """While the model is busy for long, nothing more is read; towards the predicted end, or at it, more is wanted."""
    long = model.want(Speech("long", length=3_000.0))
    await model.calling(1)
    asking = await _opens(model.decoding.wants_more)
    assert not asking.done()
    model.engine.go()
    await asyncio.gather(*long)
    await asyncio.wait_for(asking, 60)
