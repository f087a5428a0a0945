"""Types of Kubernetes itself as far as a pipeline names them: names, labels, quantities, pod templates."""

import re
from decimal import Decimal
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from speechpipe_operator.spec.base import LABEL, keys_match
from speechpipe_operator.spec.rules import Cel, quoted

_AMOUNT: Final = r"([0-9]{1,15}(?:\.[0-9]{1,3})?)(m|k|[MGTP]i?|Ki)?"
_RESOURCE: Final = r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_SCALES: Final = {"m": Decimal("0.001"), "": Decimal(1), "k": Decimal(1000), "Ki": Decimal(1024)} | {
    letter + binary: Decimal(1024 if binary else 1000) ** power
    for power, letter in enumerate("MGTP", start=2)
    for binary in ("", "i")
}

FORBIDDEN_IN_PODS: Final = ("serviceAccountName", "serviceAccount", "hostNetwork", "hostPID", "hostIPC")
"""Fields of a pod that a template can't set: they would take it out of what `restricted` allows, or give it rights."""


def amount_of(quantity: str) -> Decimal:
    """The number that a quantity such as ``500m`` or ``4Gi`` stands for.

    Raises:
        ValueError: it is no quantity.
    """
    match = re.fullmatch(_AMOUNT, quantity)
    if match is None:
        raise ValueError(f"{quantity!r} is no quantity; write a number and perhaps a unit, such as 500m, 2 or 4Gi")
    return Decimal(match[1]) * _SCALES[match[2] or ""]


def _amount(value: str) -> str:
    amount_of(value)
    return value


def _as_text(value: Any) -> Any:  # noqa: ANN401 - whatever stands in the document
    """Whole numbers are written without quotes in every manifest (``cpu: 2``)."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _resource_name(value: str) -> str:
    if not re.fullmatch(_RESOURCE, value):
        raise ValueError(f"{value!r} is no name of a resource; examples: cpu, memory, nvidia.com/gpu")
    return value


def _qualified(value: str) -> str:
    if not re.fullmatch(_RESOURCE, value):
        raise ValueError(f"{value!r} is no key of a label or annotation; example: example.com/team")
    return value


def _pod_template(value: dict[str, Any]) -> dict[str, Any]:
    if unknown := sorted(value.keys() - {"metadata", "spec"}):
        raise ValueError(f"{', '.join(unknown)}: a pod template has metadata and spec; containers stand under spec")
    for part in ("metadata", "spec"):
        if not isinstance(value.get(part, {}), dict):
            raise ValueError(f"{part} needs a mapping")
    if taken := [name for name in FORBIDDEN_IN_PODS if name in value.get("spec", {})]:
        raise ValueError(f"spec.{taken[0]} belongs to the operator; remove it")
    return value


NAMESPACE: Final = f"^{LABEL}$"
Namespace = Annotated[str, Field(max_length=63, pattern=NAMESPACE)]
Amount = Annotated[
    str,
    BeforeValidator(_as_text),
    AfterValidator(_amount),
    WithJsonSchema({"x-kubernetes-int-or-string": True, "maxLength": 24}),
    Cel(
        f"type(self) == int ? self >= 0 : self.matches({quoted(f'^({_AMOUNT})$')})",
        "no quantity; write a number and perhaps a unit, such as 500m, 2 or 4Gi",
        "string(self) + ' is no quantity; write a number and perhaps a unit, such as 500m, 2 or 4Gi'",
    ),
]
ResourceName = Annotated[
    str,
    Field(max_length=253),
    AfterValidator(_resource_name),
    Cel(
        f"self.matches({quoted(f'^({_RESOURCE})$')})",
        "no name of a resource; examples: cpu, memory, nvidia.com/gpu",
        "self + ' is no name of a resource; examples: cpu, memory, nvidia.com/gpu'",
    ),
]
Amounts = Annotated[
    dict[Annotated[str, AfterValidator(_resource_name)], Amount],
    Field(max_length=16),
    keys_match(_RESOURCE, "no name of a resource; examples: cpu, memory, nvidia.com/gpu"),
]
"""Resource name to quantity, as text (500m, 4Gi)."""
_Key = Annotated[str, AfterValidator(_qualified)]
_KEYS: Final = keys_match(_RESOURCE, "no key of a label or annotation; example: example.com/team")
Labels = Annotated[
    dict[_Key, Annotated[str, Field(max_length=63, pattern=r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$")]],
    Field(max_length=32),
    _KEYS,
]
Annotations = Annotated[dict[_Key, Annotated[str, Field(max_length=16_384)]], Field(max_length=32), _KEYS]

_OPEN: Final = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
PodTemplate = Annotated[
    dict[str, Any],
    AfterValidator(_pod_template),
    WithJsonSchema(
        {
            "type": "object",
            "properties": {
                "metadata": _OPEN | {"description": "Labels and annotations to add to the pods."},
                "spec": _OPEN
                | {
                    "description": "Any field of a pod's spec but those that belong to the operator.",
                    "properties": {
                        name: {
                            "type": "boolean" if name.startswith("host") else "string",
                            "description": "Belongs to the operator: refused here.",
                        }
                        | ({} if name.startswith("host") else {"maxLength": 253})
                        for name in FORBIDDEN_IN_PODS
                    },
                },
            },
        }
    ),
    *(
        Cel(f"!has(self.spec) || !has(self.spec.{name})", f"spec.{name} belongs to the operator; remove it")
        for name in FORBIDDEN_IN_PODS
    ),
]
"""A pod template as Kubernetes has it (`metadata`, `spec`), merged over the rendered one.

Untyped in the schema: a typed one is longer than an annotation of kubectl may be. The API server checks it when it is
applied.
"""
