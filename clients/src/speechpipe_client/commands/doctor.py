"""``speechpipe doctor``: what is missing on this machine."""

import dataclasses
import json
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.text import Text

from speechpipe_client.commands.checks import Finding, Status, examine
from speechpipe_client.commands.shared import Exit

MARKS: Final = {Status.OK: ("✓", "green"), Status.MISSING: ("✗", "bold red"), Status.OPTIONAL: ("-", "yellow")}


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
        """Say what is missing on this machine and what mends it. Exits 1 if something needed is missing."""
        findings = examine()
        if as_json:
            typer.echo(json.dumps([dataclasses.asdict(finding) for finding in findings], indent=2))
        else:
            _show(findings)
        if any(finding.status is Status.MISSING for finding in findings):
            raise typer.Exit(Exit.FAILED)


def _show(findings: list[Finding]) -> None:
    console = Console(highlight=False)
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        mark, style = MARKS[finding.status]
        console.print(Text.assemble((mark, style), f" {finding.name:<{width}}  {finding.detail}"), soft_wrap=True)
        if finding.mend:
            console.print(Text(f"  {'':<{width}}  → {finding.mend}", style="cyan"), soft_wrap=True)
    missing = sum(finding.status is Status.MISSING for finding in findings)
    console.print(f"\n{missing} needed thing(s) missing." if missing else "\nNothing that is needed is missing.")
