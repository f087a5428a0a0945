"""Which languages the translator of this machine has."""

import asyncio
import shutil
from typing import Final

_SHORT: Final = {"eng": "en", "spa": "es", "fra": "fr", "por": "pt", "ita": "it", "cat": "ca", "deu": "de"}
"""Apertium's ISO 639-3 codes of the languages that the demo speaks or translates into."""


async def installed_pairs() -> frozenset[tuple[str, str]]:
    """(source, target) pairs that Apertium translates directly here; empty without Apertium."""
    program = shutil.which("apertium")
    if program is None:
        return frozenset()
    process = await asyncio.create_subprocess_exec(program, "-l", stdout=asyncio.subprocess.PIPE)
    listed, _ = await process.communicate()
    return parse_pairs(listed.decode())


def parse_pairs(listed: str) -> frozenset[tuple[str, str]]:
    """Pairs out of what ``apertium -l`` prints: one mode a line, such as ``eng-spa`` or ``en-es``."""
    pairs = set()
    for line in listed.split():
        source, _, target = line.partition("-")
        pairs.add((_SHORT.get(source, source), _SHORT.get(target, target)))
    return frozenset(pairs)
