"""Who can connect to what, tried for real; and where that is not as it should be."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from kubectl import execute

PROGRAM = Path(__file__).parent / "pod" / "connect.py"


@dataclass(frozen=True)
class Door:
    """Something that listens: what it is, and its address."""

    name: str
    address: str


@dataclass(frozen=True)
class Vantage:
    """Somewhere to connect from: a pod that has a Python, and what it should reach (names of doors)."""

    name: str
    namespace: str
    pod: str
    reaches: frozenset[str]


def tried(vantage: Vantage, doors: Sequence[Door]) -> dict[str, bool]:
    """Which of the doors open from there, by name."""
    command = ("python", "-", *(door.address for door in doors))
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
