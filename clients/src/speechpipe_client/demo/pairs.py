"""Which languages the translator of this machine has."""

import asyncio
import shutil
from contextlib import suppress

from speechpipe_common.languages import UnknownLanguage, resolve


async def installed_pairs() -> frozenset[tuple[str, str]]:
    """(source, target) pairs that Apertium translates directly here; empty without Apertium."""
    program = shutil.which("apertium")
    if program is None:
        return frozenset()
    process = await asyncio.create_subprocess_exec(program, "-l", stdout=asyncio.subprocess.PIPE)
    listed, _ = await process.communicate()
    return parse_pairs(listed.decode())


def parse_pairs(listed: str) -> frozenset[tuple[str, str]]:
    """Pairs out of what ``apertium -l`` prints: one mode a line, such as ``eng-spa`` or ``es-pt_BR``.

    Modes of other shapes (``eco-es-fr``) and languages that Speechpipe has no code for are left out.
    """
    pairs = set()
    for mode in listed.split():
        names = mode.split("-")
        with suppress(UnknownLanguage):
            if len(names) == 2:
                pairs.add((resolve(names[0]).code, resolve(names[1]).code))
    return frozenset(pairs)
