"""What all parts of the resource share: strictness, names, and small types."""

import re
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from speechpipe_common.languages import Language, resolve

UNITS: Final[dict[str, int]] = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12} | {
    f"{letter}i": 1024**power for power, letter in enumerate("KMGT", start=1)
}
"""Suffixes of Kubernetes quantities that make sense for memory."""

WIRED: Final = frozenset(
    {"REDIS_URL", "KEY_PREFIX", "HEALTH_HOST", "HEALTH_PORT", "GATEWAY_HOST", "GATEWAY_PORT", "INSTANCE_ID"}
)
"""Environment names that the plan decides; overriding one would take a process out of its pipeline."""

_QUANTITY = re.compile(r"([1-9][0-9]{0,15})(|k|[MGT]|[KMGT]i)")
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")


class Strict(BaseModel):
    """Base of every part: camelCase in YAML, no unknown fields, no conversions (``"5"`` is no number), immutable."""

    model_config = ConfigDict(alias_generator=to_camel, strict=True, extra="forbid", frozen=True)


def bytes_of(quantity: str) -> int:
    """Bytes that a quantity such as ``512Mi`` stands for.

    Raises:
        ValueError: it is no quantity of memory.
    """
    match = _QUANTITY.fullmatch(quantity)
    if match is None:
        raise ValueError(f"{quantity!r} is no amount of memory; write a whole number and a unit, such as 512Mi or 2Gi")
    factor: int = UNITS[match[2]]
    return int(match[1]) * factor


def _quantity(value: str) -> str:
    bytes_of(value)
    return value


def _variable(name: str) -> str:
    if not _VARIABLE.fullmatch(name):
        raise ValueError("names of the environment are capital letters, digits and underscores")
    if name in WIRED:
        raise ValueError("set by the pipeline itself; remove it here")
    return name


def language(code: str) -> Language:
    """The language of that code.

    Raises:
        ValueError: it is unknown, or this project writes it differently.
    """
    found = resolve(code)
    if found.code != code:
        raise ValueError(f"{code!r}: write {found.code!r} for {found.name}")
    return found


def _codes(value: tuple[str, ...]) -> tuple[str, ...]:
    for code in value:
        language(code)
    if repeated := sorted({code for code in value if value.count(code) > 1}):
        raise ValueError(f"{', '.join(repeated)}: a language is given once")
    return value


Quantity = Annotated[str, AfterValidator(_quantity)]
Codes = Annotated[tuple[str, ...], Field(strict=False, max_length=20), AfterValidator(_codes)]
"""Codes of different languages."""
Replicas = Annotated[int, Field(ge=0, le=1000)]
Port = Annotated[int, Field(ge=1, le=65535)]
Environment = dict[Annotated[str, AfterValidator(_variable)], str]


class SecretKey(Strict):
    """One key of a Secret in the pipeline's namespace."""

    name: str = Field(min_length=1, max_length=253, description="Name of the Secret.")
    key: str = Field(min_length=1, max_length=253, description="Key within the Secret.")
