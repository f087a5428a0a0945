"""Places for batches: how many there are, and who gets the next."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from speechpipe_common.consumer.slots import Place, Slots


@pytest.fixture
def stop() -> asyncio.Event:
    """Set: it is time to stop."""
    return asyncio.Event()


@pytest_asyncio.fixture
async def stopping(stop: asyncio.Event) -> AsyncIterator["asyncio.Task[bool]"]:
    """The task that ends then."""
    task = asyncio.create_task(stop.wait())
    yield task
    task.cancel()


async def settled() -> None:
    """Let every task go as far as it can."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_no_more_places_are_given_than_there_are(stopping: "asyncio.Task[bool]"):
    """The third of three that want one of two waits until one is left; leaving twice frees it once."""
    slots = Slots(2)
    first = await slots.take(stopping)
    assert first is not None
    assert await slots.take(stopping) is not None
    third, fourth = (asyncio.create_task(slots.take(stopping)) for _ in range(2))
    await settled()
    assert not third.done()
    first.leave()
    first.leave()
    await settled()
    assert isinstance(third.result(), Place)
    assert not fourth.done()
    fourth.cancel()


async def test_whoever_wants_all_is_not_overtaken(stopping: "asyncio.Task[bool]"):
    """One that wants to be alone waits for those inside, and those who come later wait for it."""
    slots = Slots(2)
    inside = await slots.take(stopping)
    assert inside is not None
    alone = asyncio.create_task(slots.take(stopping, alone=True))
    later = asyncio.create_task(slots.take(stopping))
    await settled()
    assert not alone.done()
    assert not later.done()
    inside.leave()
    await settled()
    assert alone.done()
    assert not later.done()
    place = alone.result()
    assert place is not None
    place.leave()
    await settled()
    assert later.done()


async def test_stopping_ends_every_wait_and_keeps_no_place(stop: asyncio.Event, stopping: "asyncio.Task[bool]"):
    """Told to stop, nobody gets a place any more, and those that were free or waited for are free afterwards."""
    slots = Slots(1)
    place = await slots.take(stopping)
    assert place is not None
    waits = [asyncio.create_task(slots.take(stopping, alone=alone)) for alone in (False, True)]
    await settled()
    stop.set()
    assert await asyncio.gather(*waits) == [None, None]
    assert not await slots.room(stopping)
    place.leave()
    fresh = asyncio.create_task(asyncio.Event().wait())
    assert await slots.take(fresh, alone=True) is not None
    fresh.cancel()


async def test_a_wait_that_is_cancelled_leaves_nothing_behind(stopping: "asyncio.Task[bool]"):
    """Cancelled while it waits, or just as it is given its place, it holds up nobody."""
    slots = Slots(1)
    place = await slots.take(stopping)
    assert place is not None
    waiting = asyncio.create_task(slots.take(stopping, alone=True))
    behind = asyncio.create_task(slots.take(stopping))
    await settled()
    waiting.cancel()
    place.leave()
    await settled()
    assert behind.done()
    given = behind.result()
    assert given is not None
    late = asyncio.create_task(slots.take(stopping))
    await settled()
    given.leave()  # its turn has come, and it does not know yet
    late.cancel()
    await asyncio.gather(late, return_exceptions=True)
    assert await slots.room(stopping)
