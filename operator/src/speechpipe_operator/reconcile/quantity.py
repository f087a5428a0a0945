"""Quantities of the Kubernetes API (``10Gi``, ``1500M``, ``1e9``, ``128974848``) as bytes."""

import math
import re
from decimal import Decimal
from typing import Final

_FACTORS: Final = {"": Decimal(1), "n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3")} | {
    (f"{letter}{binary}" if letter + binary != "K" else "k"): Decimal((1024 if binary else 1000) ** power)
    for power, letter in enumerate("KMGTPE", start=1)
    for binary in ("", "i")
}
_QUANTITY: Final = re.compile(r"([+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?)([a-zA-Z]*)")


def amount(quantity: str | int) -> int:
    """Bytes, rounded up, as the API server does.

    Raises:
        ValueError: it is no quantity.
    """
    match = _QUANTITY.fullmatch(str(quantity))
    if match is None or match[2] not in _FACTORS:
        raise ValueError(f"{quantity!r} is no quantity")
    return math.ceil(Decimal(match[1]) * _FACTORS[match[2]])


def quantity(size: int) -> str:
    """The shortest way to write so many bytes, as the API server would show it."""
    for power in range(6, 0, -1):
        if size and size % 1024**power == 0:
            return f"{size // 1024**power}{'KMGTPE'[power - 1]}i"
    for power in range(6, 0, -1):
        if size and size % 1000**power == 0:
            return f"{size // 1000**power}{'kMGTPE'[power - 1]}"
    return str(size)
