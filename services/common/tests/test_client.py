"""connect(): what the client promises beyond redis-py."""

import asyncio

from speechpipe_common.store import connect

STEPS = 40


async def test_a_cancelled_command_ends_its_task(valkey: str) -> None:
    """A task that talks to Redis for ever ends when it is cancelled, whatever step of a command it was at."""
    redis = connect(valkey)

    async def ask_for_ever() -> None:
        while True:
            await redis.ping()

    async with redis:
        await redis.ping()
        for steps in range(STEPS):
            task = asyncio.create_task(ask_for_ever())
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            done, _ = await asyncio.wait([task], timeout=10)
            assert done, f"cancelled at step {steps}, it goes on"
        assert await redis.ping()
