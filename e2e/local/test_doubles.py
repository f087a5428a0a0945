"""Jobs that are finished twice, or whose worker does not hear that they are finished."""

import signal
from collections.abc import Callable, Sequence

import pytest
from conftest import Amount
from processes import Service, lasting_port
from proxy import Losses, losing_replies
from world import KEYS, World, verdict

from speechpipe_common.testing import eventually


async def freeze_at_work(world: World) -> tuple[Service, list[str]]:
    """Stop a worker while it holds a final or a candidate; returns it with what it holds."""

    async def catch() -> tuple[Service, list[str]] | None:
        for worker in world.stt:
            if await world.in_work(worker.name, KEYS.audio_jobs):
                worker.signal(signal.SIGSTOP)
                # It may have settled the job between the look and the stop.
                if held := await world.in_work(worker.name, KEYS.audio_jobs):
                    return worker, held
                worker.signal(signal.SIGCONT)
        return None

    caught = await eventually(catch, "a worker to be stopped at its work", 120)
    assert caught is not None
    return caught


async def until_settled(world: World, entries: Sequence[str]) -> None:
    """Wait until these jobs are gone from their stream: a peer has done them."""

    async def gone() -> bool:
        return not [entry for entry in entries if await world.redis.xrange(KEYS.audio_jobs, entry, entry)]

    await eventually(gone, "a peer to finish what the sleeper holds", 120)


async def taken(worker: Service) -> float:
    """Jobs that a worker has begun so far; it does one at a time."""
    return await worker.metric("jobs_claimed") + await worker.metric("jobs_redelivered")


async def late(sleeper: Service, before: float) -> bool:
    """Wait until a woken worker is through with its job; whether its commit came after a peer's.

    It may also have been stopped before it had read the audio, and find that nobody wants the job any more.
    """
    begun = await taken(sleeper)

    async def through() -> bool:
        return await beaten() or await taken(sleeper) > begun

    async def beaten() -> bool:
        return await sleeper.metric("jobs_settled", outcome="peer") > before

    await eventually(through, f"{sleeper.name} to finish as well", 120)
    return await beaten()


@pytest.mark.timeout(600)
async def test_a_job_finished_by_two_workers_has_one_final(
    world: World, amount: Amount, report: Callable[[str], None]
) -> None:
    """A worker that sleeps at its work and wakes when a peer has done it finishes it too; there is one final."""
    world.add_gateway()
    for number in range(2):
        world.add_stt(INSTANCE_ID=f"stt-{number}")
    world.add_translate()
    await world.start()
    callers = world.callers(2)
    doubled = tries = 0
    async with world.talking(callers):
        while doubled < amount.doubles and tries < 4 * amount.doubles:
            tries += 1
            before = {worker: await worker.metric("jobs_settled", outcome="peer") for worker in world.stt}
            sleeper, held = await freeze_at_work(world)
            await until_settled(world, held)
            sleeper.signal(signal.SIGCONT)
            doubled += await late(sleeper, before[sleeper])
    await world.until_empty()
    figures = verdict(callers)
    report(f"{doubled} jobs finished by two workers: {figures}")
    assert doubled >= amount.doubles
    assert figures.clean, figures


@pytest.mark.timeout(600)
async def test_a_commit_whose_reply_is_lost_has_one_final(
    world: World, amount: Amount, report: Callable[[str], None]
) -> None:
    """The connection breaks after a commit and before its reply; the worker commits again, and there is one final."""
    port = lasting_port()
    losses = Losses(left=amount.doubles * 5)
    world.add_gateway()
    url = f"redis://127.0.0.1:{port}"
    world.add_stt(REDIS_URL=url)
    world.add_translate(REDIS_URL=url)
    async with losing_replies(world.valkey.port, port, losses):
        await world.start()
        callers = world.callers(2)
        async with world.talking(callers):
            await eventually(lambda: losses.left == 0, "replies to be lost", 120)
        await world.until_empty()
    figures = verdict(callers)
    report(f"{losses.lost} replies of commits lost: {figures}")
    assert figures.clean, figures
