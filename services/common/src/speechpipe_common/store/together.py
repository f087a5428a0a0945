"""Script calls of many sessions in one write and one read."""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import NoScriptError, RedisError

from speechpipe_common.store.scripts import Arg, Scripts

MOST_CALLS: Final = 128
MOST_BYTES: Final = 1 << 20
"""Of arguments in one write: 30 s of audio. More would keep what Redis does for others waiting."""


@dataclass(slots=True, eq=False)
class _Call:
    name: str
    keys: Sequence[str]
    args: Sequence[Arg]
    reply: asyncio.Future[Any]

    @property
    def size(self) -> int:
        """Bytes of its longest arguments, about."""
        return sum(len(arg) for arg in self.args if isinstance(arg, str | bytes))


class ScriptsTogether(Scripts):
    """As :class:`Scripts`; calls that are made while others are under way go out together.

    One call is sent at once and alone. With many sessions, what they call while Redis is answering is one pipeline,
    which costs a fraction of as many round trips. No call waits for another's result: whoever needs an order awaits
    one before the next, and an error of one is nobody else's. When the connection is lost, all that were sent fail;
    whether they ran is then unknown, as with a call alone.
    """

    def __init__(self, redis: Redis) -> None:
        super().__init__(redis)
        self._redis = redis
        self._waiting: deque[_Call] = deque()
        self._sending: asyncio.Task[None] | None = None

    async def run(self, name: str, keys: Sequence[str], args: Sequence[Arg]) -> Any:  # noqa: ANN401 - what Lua returned
        """Run a script.

        Raises:
            redis.RedisError: the server refused or is away; whether the script ran is then unknown.
        """
        call = _Call(name, keys, args, asyncio.get_running_loop().create_future())
        self._waiting.append(call)
        if self._sending is None:
            self._sending = asyncio.create_task(self._send_all(), name="scripts")
        return await call.reply

    async def _send_all(self) -> None:
        """Send until nothing waits."""
        calls: list[_Call] = []
        try:
            while calls := self._take():
                await self._send(calls)
        finally:
            self._sending = None
            for call in (*calls, *self._waiting):
                if not call.reply.done():
                    call.reply.cancel()
            self._waiting.clear()

    def _take(self) -> list[_Call]:
        calls: list[_Call] = []
        size = 0
        while self._waiting and len(calls) < MOST_CALLS and size < MOST_BYTES:
            call = self._waiting.popleft()
            if not call.reply.done():  # else whoever made it has gone
                calls.append(call)
                size += call.size
        return calls

    async def _send(self, calls: Sequence[_Call]) -> None:
        pipeline = self._redis.pipeline(transaction=False)
        for call in calls:
            pipeline.execute_command("EVALSHA", self.sha(call.name), len(call.keys), *call.keys, *call.args)
        try:
            replies = await pipeline.execute(raise_on_error=False)
        except Exception as error:  # noqa: BLE001 - whatever it is, those who called must hear it
            replies = [error] * len(calls)
        for call, reply in zip(calls, replies, strict=True):
            if isinstance(reply, NoScriptError):
                await self._teach(call)
            else:
                _answer(call, reply)

    async def _teach(self, call: _Call) -> None:
        """Redis has forgotten the script, so it did not run: once more, with its source."""
        try:
            _answer(call, await super().run(call.name, call.keys, call.args))
        except (RedisError, OSError) as error:
            _answer(call, error)


def _answer(call: _Call, reply: object) -> None:
    if call.reply.done():
        return
    if isinstance(reply, Exception):
        call.reply.set_exception(reply)
    else:
        call.reply.set_result(reply)
