"""Who can connect to what, tried for real; and where that is not as it should be."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from kubectl import execute

PROGRAM = Path(__file__).parent / "pod" / "connect.py"
TRY_ALL = 'for door; do nc -w 4 "${door%:*}" "${door##*:}" -e sh -c : && echo "$door"& done 2>/dev/null; wait'
"""The same in a shell, for pods without a Python; prints those that open."""


@dataclass(frozen=True)
class Door:
    """Something that listens: what it is, and its address."""

    name: str
    address: str


@dataclass(frozen=True)
class Vantage:
    """Somewhere to connect from: a pod with a Python, or else a shell, and what it should reach (names of doors)."""

    name: str
    namespace: str
    pod: str
    reaches: frozenset[str]
    python: bool = True


def tried(vantage: Vantage, doors: Sequence[Door]) -> dict[str, bool]:
    """Which of the doors open from there, by name."""
    addresses = [door.address for door in doors]
    if not vantage.python:
        opened = execute(vantage.pod, vantage.namespace, "sh", "-c", TRY_ALL, "sh", *addresses).split()
        return {door.name: door.address in opened for door in doors}
    command = ("python", "-", *addresses)
    found: dict[str, bool] = json.loads(execute(vantage.pod, vantage.namespace, *command, stdin=PROGRAM.read_text()))
    return {door.name: found[door.address] for door in doors}


def wrong(vantage: Vantage, doors: Sequence[Door], found: dict[str, bool]) -> list[str]:
    """What is not as it should be, as sentences. Pure."""
    sentences = []
    for door in doors:
        wanted = door.name in vantage.reaches
        if found[door.name] != wanted:
            can = "can" if found[door.name] else "can't"
            sentences.append(f"{vantage.name} {can} connect to {door.name}")
    return sentences


def violations(vantages: Iterable[Vantage], doors: Sequence[Door]) -> list[str]:
    """Everything that is not as it should be."""
    return [line for vantage in vantages for line in wrong(vantage, doors, tried(vantage, doors))]
