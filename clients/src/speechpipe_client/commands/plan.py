"""``speechpipe plan``: what a document would run."""

import dataclasses
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from speechpipe_client.commands.documents import File, Name, read_plan
from speechpipe_common.redaction import redact_url

if TYPE_CHECKING:
    from speechpipe_operator.components import Component, Plan


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def plan(
        file: File,
        name: Name = None,
        as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    ) -> None:
        """Show the components that a document asks for: commands, ports, replicas and settings. Starts nothing."""
        found = read_plan(file, name)
        if as_json:
            typer.echo(json.dumps(_plain(found), indent=2, default=_part))
            return
        for component in found.components:
            for line in _lines(component):
                typer.echo(line)


def _lines(component: "Component") -> Iterator[str]:
    ports = ", ".join(f"{port.name} {port.number}" for port in component.ports)
    number = f"x{component.replicas}{_scaled(component)}"
    yield f"{component.name} {number}: {' '.join(component.command)} ({ports})"
    for directive, wanted in component.config:
        yield f"    {directive} {wanted}".rstrip()
    for name, value in component.env.items():
        yield f"    {name}={_shown(value)}"


def _scaled(component: "Component") -> str:
    """Who changes the number in a cluster, and between which."""
    scaling = component.pods.scaling
    policy = scaling.policy
    return f" ({scaling.mode}, {policy.min_replicas} to {policy.max_replicas})" if policy else ""


def _part(value: object) -> object:
    """A part of the resource within a component, as it stands in YAML."""
    from pydantic import BaseModel

    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True, exclude_none=True)
    raise TypeError(f"a plan holds a {type(value).__name__}, which JSON can't")


def _plain(plan: "Plan") -> dict[str, object]:
    components = []
    for component in plan.components:
        plain = dataclasses.asdict(component)
        plain["env"] = {name: _shown(value) for name, value in component.env.items()}
        components.append(plain)
    return {"name": plan.name, "components": components}


def _shown(value: object) -> str:
    """A value, or in angle brackets what it will be once the place is known."""
    if isinstance(value, str):
        return redact_url(value)
    fields = dataclasses.asdict(value).values() if dataclasses.is_dataclass(value) else ()  # type: ignore[arg-type]
    words = [type(value).__name__, *(str(field) for field in fields if not isinstance(field, bool))]
    return f"<{' '.join(words)}>"
