"""Which languages the translator of this machine has."""

import asyncio
import shutil
from collections.abc import Collection
from contextlib import suppress

from speechpipe_common.languages import UnknownLanguage, resolve


async def working_pairs(wanted: Collection[tuple[str, str]]) -> frozenset[tuple[str, str]]:
    """Those of ``wanted`` (source, target) that Apertium translates directly on this machine; none without Apertium.

    A mode that is listed may still lack a program that it calls (Debian's ita-spa calls cg-proc, which the package does
    not bring), so each one is tried with a word.
    """
    program = shutil.which("apertium")
    if program is None:
        return frozenset()
    modes = parse_pairs(await _output(program, "-l"))
    chosen = [pair for pair in wanted if pair in modes]
    answers = await asyncio.gather(*(_output(program, modes[pair], given="a") for pair in chosen))
    return frozenset(pair for pair, answer in zip(chosen, answers, strict=True) if answer.strip())


async def _output(*command: str, given: str = "") -> str:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.DEVNULL)
    said, _ = await process.communicate(given.encode())
    return said.decode()


def parse_pairs(listed: str) -> dict[tuple[str, str], str]:
    """Modes by (source, target) out of what ``apertium -l`` prints: one a line, such as ``eng-spa`` or ``es-pt_BR``.

    The first mode of a pair counts. Modes of other shapes (``eco-es-fr``) and languages that Speechpipe has no code for
    are left out.
    """
    pairs: dict[tuple[str, str], str] = {}
    for mode in listed.split():
        names = mode.split("-")
        with suppress(UnknownLanguage):
            if len(names) == 2:
                pairs.setdefault((resolve(names[0]).code, resolve(names[1]).code), mode)
    return pairs
