"""``speechpipe up``: run a pipeline on this machine."""

import sys
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from speechpipe_client.commands.documents import File, Name, read_plan
from speechpipe_client.commands.shared import Exit, fail

if TYPE_CHECKING:
    from speechpipe_operator.components import Plan
    from speechpipe_operator.local import LocalOptions

EPILOG = """
Examples:

  speechpipe up -f examples/local.yaml

  speechpipe up -f examples/local.yaml --any-port --ready-file /tmp/pipeline.json

Ctrl-C stops everything; a second one does so at once.
Exit codes: 0 stopped; 1 something could not be started; 2 wrong arguments or document.
"""


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(epilog=EPILOG)
    def up(
        file: File,
        name: Name = None,
        data_dir: Annotated[
            Path | None,
            typer.Option(help="Keep data here; default: a folder for each pipeline under ~/.local/state/speechpipe."),
        ] = None,
        host: Annotated[
            str, typer.Option(help="IP address on which the gateway serves clients; the rest stays on loopback.")
        ] = "127.0.0.1",
        any_port: Annotated[
            bool, typer.Option("--any-port", help="Take free ports instead of those of the document.")
        ] = False,
        ready_file: Annotated[
            Path | None, typer.Option(help="Holds the addresses, as JSON, while everything is ready.")
        ] = None,
        ready_seconds: Annotated[
            float, typer.Option(min=1, help="How long starting may take; the first time models may be fetched.")
        ] = 900.0,
    ) -> None:
        """Run a pipeline on this machine: Valkey, gateway, STT and translation workers, until Ctrl-C."""
        plan = read_plan(file, name)
        if not _address(host).is_loopback and plan.component("gateway").env["AUTH"] == "off":
            fail(f"whoever reaches {host} can use this gateway: spec.gateway.auth.mode is none")
        from speechpipe_operator.local import LocalOptions

        folder = data_dir.absolute() if data_dir else None
        options = LocalOptions(data_dir=folder, host=host, any_port=any_port, ready_seconds=ready_seconds)
        _run(plan, options, ready_file)


def _run(plan: "Plan", options: "LocalOptions", ready_file: Path | None) -> None:
    from speechpipe_operator.local import LocalError, PrefixLog
    from speechpipe_operator.local.up import run

    log = PrefixLog(sys.stdout, width=max(len(component.name) for component in plan.components))
    try:
        run(plan, options, log, ready_file)
    except LocalError as error:
        fail(str(error))
        raise typer.Exit(Exit.FAILED) from error
    except OSError as error:
        fail(f"{error.filename or 'up'}: {error.strerror}")
        raise typer.Exit(Exit.FAILED) from error


def _address(host: str) -> IPv4Address | IPv6Address:
    try:
        return ip_address(host)
    except ValueError as error:
        raise typer.BadParameter(f"{host!r} is no IP address, such as 127.0.0.1 or 0.0.0.0") from error
