"""Rules that tie fields together, each said once in Python and once in CEL, side by side.

The API server evaluates the CEL before anything is stored; the Python runs where there is no API server, and in the
operator again. A rule over fields of one part is a method::

    @rule("self.minReplicas <= self.maxReplicas", "minReplicas must not be more than maxReplicas")
    def _bounds_are_ordered(self) -> bool:
        return self.min_replicas <= self.max_replicas

A rule over one value is a `Cel` in its ``Annotated``, next to the validator that says the same. What only an API server
can see (the resource before a change) is a `Cel` in the part's ``served``.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, TypeVar

from pydantic import GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

VALIDATIONS: Final = "x-kubernetes-validations"
_MARK: Final = "__cel__"

Part = TypeVar("Part")


@dataclass(frozen=True, slots=True)
class Cel:
    """A rule as the API server evaluates it; ``self`` is the value that it stands at.

    Args:
        rule: CEL that is true where all is well.
        message: what is wrong otherwise.
        said: CEL that makes the message out of the value; ``message`` stands in when that fails.
    """

    rule: str
    message: str
    said: str | None = None

    def entry(self) -> dict[str, str]:
        """Itself as one of ``x-kubernetes-validations``."""
        said = {} if self.said is None else {"messageExpression": self.said}
        return {"rule": self.rule, "message": self.message, **said}

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Stand in the schema of the value that this annotates."""
        return with_rules(handler(core), [self])


def rule(cel: str, message: str) -> Callable[[Callable[[Part], bool]], Callable[[Part], bool]]:
    """Make a method of a part, which says whether all is well, a rule of that part."""

    def mark(holds: Callable[[Part], bool]) -> Callable[[Part], bool]:
        setattr(holds, _MARK, Cel(cel, message))
        return holds

    return mark


@cache
def rules_of(part: type) -> tuple[tuple[Cel, Callable[[Any], bool]], ...]:
    """The rules of a part with their methods, those of its bases first."""
    members = (value for base in reversed(part.__mro__) for value in vars(base).values() if callable(value))
    return tuple((mark, value) for value in members if isinstance(mark := getattr(value, _MARK, None), Cel))


def broken(part: object) -> str:
    """What is wrong with a part by its own rules, all of it; empty where all is well."""
    known = rules_of(type(part))  # type: ignore[arg-type]  # mypy takes a class for its instances' __hash__
    return "; ".join(cel.message for cel, holds in known if not holds(part))


def with_rules(schema: JsonSchemaValue, rules: Iterable[Cel]) -> JsonSchemaValue:
    """``schema`` with ``rules`` behind those that it has."""
    entries = [*schema.get(VALIDATIONS, []), *(item.entry() for item in rules)]
    return schema | ({VALIDATIONS: entries} if entries else {})


def listed(words: Iterable[str]) -> str:
    """A list of strings as CEL writes it."""
    return "[" + ",".join(quoted(word) for word in words) + "]"


def quoted(text: str) -> str:
    """A string as CEL writes it: JSON's escapes are CEL's too."""
    return json.dumps(text, ensure_ascii=False)
