"""The Lua functions, loaded from ``lua/`` next to this file; each is one atomic write with a condition."""

from collections.abc import Sequence
from importlib import resources
from typing import Any, Final

from redis.asyncio import Redis
from redis.commands.core import AsyncScript

_PRELUDES: Final = {
    "commit": ("settle", "arrive", "finish"),
    "publish": ("settle", "arrive", "finish"),
    "bury": ("settle", "arrive", "finish"),
    "drop": ("settle",),
    "append": ("fence",),
    "submit": ("fence", "arrive"),
    "promote": ("fence", "arrive", "finish"),
    "open": (),
    "save": ("fence",),
    "takeover": (),
    "adopt": (),
    "release": ("fence",),
}


def source(name: str) -> str:
    """Lua source of a script with the functions that it shares with others in front."""
    folder = resources.files(__package__) / "lua"
    return "\n".join((folder / f"{part}.lua").read_text() for part in (*_PRELUDES[name], name))


Arg = str | bytes | int | float
"""What EVALSHA takes as an argument."""


class Scripts:
    """The scripts registered with one Redis client; called by EVALSHA, loaded again when Redis has forgotten them."""

    def __init__(self, redis: Redis) -> None:
        self._scripts: dict[str, AsyncScript] = {name: redis.register_script(source(name)) for name in _PRELUDES}

    def sha(self, name: str) -> str:
        """By which Redis knows a script."""
        digest: str = self._scripts[name].sha
        return digest

    async def run(self, name: str, keys: Sequence[str], args: Sequence[Arg]) -> Any:  # noqa: ANN401 - what Lua returned
        """Run a script.

        Raises:
            redis.RedisError: the server refused or is away; whether the script ran is then unknown.
        """
        return await self._scripts[name](keys=list(keys), args=list(args))
