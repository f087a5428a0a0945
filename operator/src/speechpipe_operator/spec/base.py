"""What all parts of the resource share: strictness, and small types with their bounds.

Every text, list and mapping is bounded, by what the API server itself would take where it has a bound: CEL rules over
anything unbounded cost too much for it to accept the definition.
"""

import re
from typing import Annotated, ClassVar, Final, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic.config import JsonDict
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from speechpipe_common.languages import Language, all_languages, resolve
from speechpipe_operator.spec.rules import Cel, broken, listed, quoted, rules_of, with_rules

UNITS: Final[dict[str, int]] = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12} | {
    f"{letter}i": 1024**power for power, letter in enumerate("KMGT", start=1)
}
"""Suffixes of Kubernetes quantities that make sense for memory."""

WIRED: Final = frozenset(
    {"REDIS_URL", "REDIS_PASSWORD", "KEY_PREFIX", "HEALTH_HOST", "HEALTH_PORT", "GATEWAY_HOST", "GATEWAY_PORT"}
    | {"INSTANCE_ID", "REDIS_SHARDS"}
)
"""Environment names that the plan decides; overriding one would take a process out of its pipeline."""

_QUANTITY = r"([1-9][0-9]{0,15})(|k|[MGT]|[KMGT]i)"
_VARIABLE = r"[A-Z_][A-Z0-9_]*"


class Strict(BaseModel):
    """Base of every part: camelCase in YAML, no unknown fields, no conversions (``"5"`` is no number), immutable.

    A part's methods marked by `rule` are checked here and by the API server; ``served`` are rules for the latter alone.
    """

    model_config = ConfigDict(alias_generator=to_camel, strict=True, extra="forbid", frozen=True)

    served: ClassVar[tuple[Cel, ...]] = ()

    @model_validator(mode="after")
    def _keeps_its_rules(self) -> Self:
        if what := broken(self):
            raise ValueError(what)
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The part's schema, with its rules."""
        reference = handler(core)
        schema = handler.resolve_ref_schema(reference)
        served = [cel for base in reversed(cls.__mro__) for cel in vars(base).get("served", ())]
        schema.update(with_rules(schema, [*(cel for cel, _ in rules_of(cls)), *served]))
        return reference


def bytes_of(quantity: str) -> int:
    """Bytes that a quantity such as ``512Mi`` stands for.

    Raises:
        ValueError: it is no quantity of memory.
    """
    match = re.fullmatch(_QUANTITY, quantity)
    if match is None:
        raise ValueError(f"{quantity!r} is no amount of memory; write a whole number and a unit, such as 512Mi or 2Gi")
    factor: int = UNITS[match[2]]
    return int(match[1]) * factor


def not_defaulted(schema: JsonDict) -> None:
    """Keeps the API server from writing a field's default into the resource: absent says something else than given."""
    schema.pop("default")


def _quantity(value: str) -> str:
    bytes_of(value)
    return value


def _variable(name: str) -> str:
    if not re.fullmatch(_VARIABLE, name):
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


def _code(value: str) -> str:
    return language(value).code


def _different(values: tuple[str, ...]) -> tuple[str, ...]:
    if repeated := sorted({value for value in values if values.count(value) > 1}):
        raise ValueError(f"{', '.join(repeated)}: given more than once")
    return values


def keys_match(pattern: str, what: str) -> Cel:
    """Every key of a mapping matches ``pattern``; ``what`` says of the one that does not what it is not."""
    matches = f"k.matches({quoted(f'^({pattern})$')})"
    return Cel(f"self.all(k, {matches})", what, f"self.filter(k, !{matches})[0] + {quoted(f': {what}')}")


LABEL: Final = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
"""A label of a DNS name, RFC 1123."""
DNS_NAME: Final = rf"^{LABEL}(\.{LABEL})*$"
DnsName = Annotated[str, Field(max_length=253, pattern=DNS_NAME)]
Quantity = Annotated[
    str,
    Field(max_length=18),
    AfterValidator(_quantity),
    Cel(
        f"self.matches({quoted(f'^({_QUANTITY})$')})",
        "no amount of memory; write a whole number and a unit, such as 512Mi or 2Gi",
        "self + ' is no amount of memory; write a whole number and a unit, such as 512Mi or 2Gi'",
    ),
]
Different = AfterValidator(_different)
"""Marks a tuple without repetitions."""
DIFFERENT: Final = Cel("self.all(x, self.exists_one(y, x == y))", "an entry is given more than once")
_HINT: Final = "write a code such as en, de or ja"
Code = Annotated[
    str,
    Field(max_length=8),
    AfterValidator(_code),
    Cel(
        f"self in {listed(item.code for item in all_languages())}",
        f"unknown language; {_HINT}",
        f"'unknown language ' + self + '; {_HINT}'",
    ),
]
"""Code of a language that this project knows."""
Codes = Annotated[tuple[Code, ...], Field(strict=False, max_length=20), Different, DIFFERENT]
"""Codes of different languages."""
Replicas = Annotated[int, Field(ge=0, le=1000)]
ONE_NUMBER: Final = Cel(
    "!has(self.replicas) || !has(self.autoscaling)",
    "give replicas or autoscaling, not both: autoscaling decides how many there are",
)
Port = Annotated[int, Field(ge=1, le=65535)]
Environment = Annotated[
    dict[Annotated[str, AfterValidator(_variable)], Annotated[str, Field(max_length=8192)]],
    Field(max_length=64),
    keys_match(_VARIABLE, "names of the environment are capital letters, digits and underscores"),
    Cel(
        f"!self.exists(k, k in {listed(sorted(WIRED))})",
        "a name here is set by the pipeline itself; remove it",
        f"self.filter(k, k in {listed(sorted(WIRED))})[0] + ' is set by the pipeline itself; remove it here'",
    ),
]


class SecretKey(Strict):
    """One key of a Secret in the pipeline's namespace."""

    name: DnsName = Field(description="Name of the Secret.")
    key: str = Field(min_length=1, max_length=253, pattern=r"^[-._a-zA-Z0-9]+$", description="Key within the Secret.")
