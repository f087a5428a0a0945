"""Who gets the models when: the real dispatcher around calls that wait to be let go on."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

import msgspec
import pytest_asyncio
from prometheus_client import CollectorRegistry

from speechpipe_common.consumer import Entry
from speechpipe_common.messages import TextJob
from speechpipe_common.store import JobRef
from speechpipe_common.testing import eventually
from speechpipe_translate.dispatching import Answer, Dispatcher
from speechpipe_translate.engines.base import Outcome
from speechpipe_translate.errors import EngineFailed
from speechpipe_translate.metrics import TranslateMetrics

JOB = TextJob(client="c", segment=0, rev=1, final=True, text="", source="en", target="es", submitted_at=0.0)
MOST, THREADS = 4, 2


@dataclass
class Held:
    """Models whose calls last until they are let go, and that note them."""

    calls: list[tuple[str, list[str]]] = field(default_factory=list)
    gate: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def translate(self, source: str, target: str, texts: Sequence[str]) -> list[Outcome]:
        """Note the call, wait, and give each text in capitals; "bad" fails, "fatal" breaks everything."""
        self.calls.append((target, list(texts)))
        assert self.gate.acquire(timeout=60)
        if "fatal" in texts:
            raise MemoryError("fatal")
        return [EngineFailed("bad text") if text == "bad" else text.upper() for text in texts]


@dataclass
class World:
    """The dispatcher, its models, and what becomes of jobs."""

    models: Held
    dispatcher: Dispatcher
    registry: CollectorRegistry

    def want(self, *texts: str, **changes: object) -> list["asyncio.Task[object]"]:
        """Ask for texts of as many clients together."""
        fields = {"final": True, **changes}
        jobs = [msgspec.structs.replace(JOB, **{"client": text, "text": text, **fields}) for text in texts]
        return [asyncio.create_task(self._answer(job)) for job in jobs]

    async def _answer(self, job: TextJob) -> object:
        try:
            answer = await self.dispatcher.answer(Entry(JobRef("texts", "group", "1-0"), job, b"", 1))
        except MemoryError as error:
            return error
        return answer.outcome if isinstance(answer, Answer) else answer

    async def calling(self, calls: int) -> None:
        """Wait until so many calls have begun."""
        await eventually(lambda: len(self.models.calls) >= calls, f"call {calls}", 60)

    def go(self, calls: int = 1) -> None:
        """Let so many calls end."""
        self.models.gate.release(calls)


@pytest_asyncio.fixture
async def world() -> AsyncIterator[World]:
    """A dispatcher with two threads and calls of four texts at most."""
    models, registry = Held(), CollectorRegistry()
    dispatcher = Dispatcher(models.translate, MOST, THREADS, TranslateMetrics(registry))
    yield World(models, dispatcher, registry)
    models.gate.release(1000)
    await dispatcher.close()


async def test_what_waits_together_is_translated_together(world: World) -> None:
    """Six texts that wait at the same time make a call of four and a call of two, and each has its own answer."""
    waiting = world.want(*"abcdef")
    world.go(2)
    assert await asyncio.gather(*waiting) == list("ABCDEF")
    assert world.models.calls == [("es", list("abcd")), ("es", list("ef"))]
    assert world.registry.get_sample_value("speechpipe_translate_batch_size_sum") == 6


async def test_an_idle_worker_begins_at_once(world: World) -> None:
    """A single text is a call of its own: nothing is waited for to make a batch."""
    [waiting] = world.want("a")
    await world.calling(1)
    world.go()
    assert await waiting == "A"


async def test_what_comes_during_a_call_is_the_next_one(world: World) -> None:
    """Texts that come one by one while their direction is translated are translated together after it."""
    waiting = world.want("a")
    await world.calling(1)
    for text in "bcd":
        waiting += world.want(text)
        await asyncio.sleep(0)
    world.go(2)
    assert await asyncio.gather(*waiting) == list("ABCD")
    assert world.models.calls == [("es", ["a"]), ("es", list("bcd"))]


async def test_directions_do_not_wait_for_each_other(world: World) -> None:
    """Two languages are translated at the same time, a third when a thread is free."""
    waiting = [*world.want("a"), *world.want("b", target="fr"), *world.want("c", target="de")]
    await world.calling(2)
    assert [target for target, _ in world.models.calls] == ["es", "fr"]
    world.go(3)
    assert await asyncio.gather(*waiting) == list("ABC")


async def test_a_final_is_the_next_call(world: World) -> None:
    """A final that comes while partials wait, and a call runs, is translated before them."""
    waiting = world.want("a", final=False)
    await world.calling(1)
    waiting += world.want("b", "c", final=False)
    waiting += world.want("final")
    world.go(3)
    assert await asyncio.gather(*waiting) == ["A", "B", "C", "FINAL"]
    assert [texts for _, texts in world.models.calls] == [["a"], ["final"], ["b", "c"]]


async def test_overtaken_and_expired_partials_are_dropped_unheard(world: World) -> None:
    """A partial whose newer revision or final is in hand, or that expired while it waited, never reaches a model."""
    blocking = world.want("a")
    await world.calling(1)
    segment = {"client": "c", "segment": 7, "final": False}
    older = world.want("old", **segment, rev=1)
    newer = world.want("new", **segment, rev=2)
    expiry = time.time() + 0.01
    gone = world.want("gone", client="d", final=False, expires_at=expiry)
    partial = world.want("partial", client="e", final=False, rev=1)
    final = world.want("final", client="e", rev=1)
    await eventually(lambda: time.time() > expiry, "the expiry")
    world.go(3)
    tasks = [*blocking, *older, *newer, *gone, *partial, *final]
    assert await asyncio.gather(*tasks) == ["A", "overtaken", "NEW", "expired", "overtaken", "FINAL"]
    assert {text for _, texts in world.models.calls for text in texts} == {"a", "new", "final"}


async def test_a_bad_text_fails_alone(world: World) -> None:
    """An outcome of one text that is an error is that text's answer only."""
    waiting = world.want("a", "bad", "c")
    world.go()
    first, bad, last = await asyncio.gather(*waiting)
    assert (first, last) == ("A", "C")
    assert isinstance(bad, EngineFailed)


async def test_a_broken_call_is_raised_for_its_texts_only(world: World) -> None:
    """When a call breaks as a whole, those in it hear of it, and the next call is made as ever."""
    broken = world.want("a", "fatal", "c", "d")
    spared = world.want("e")
    world.go(2)
    assert [type(each) for each in await asyncio.gather(*broken)] == [MemoryError] * 4
    assert await asyncio.gather(*spared) == ["E"]


async def test_it_wants_more_while_it_can_begin(world: World) -> None:
    """It asks for jobs while a thread is free and no whole call waits, and again once that is so."""
    assert await opens(world.dispatcher.wants_more)
    waiting = world.want(*"abcdefgh")
    await world.calling(1)  # four in it, four wait: no more
    assert not await opens(world.dispatcher.wants_more)
    world.go(1)
    await world.calling(2)  # none waits, and one thread is free
    assert await opens(world.dispatcher.wants_more)
    waiting += world.want("x", target="fr")
    await world.calling(3)  # no thread is free
    assert not await opens(world.dispatcher.wants_more)
    world.go(2)
    await asyncio.gather(*waiting)
    assert await opens(world.dispatcher.wants_more)


async def opens(gate: Callable[[], "asyncio.Future[None]"]) -> bool:
    """Whether a gate opens without anything happening."""
    task = asyncio.ensure_future(gate())
    for _ in range(10):
        await asyncio.sleep(0)
    opened = task.done()
    task.cancel()
    return opened
