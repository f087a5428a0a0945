"""What the streaming commands have in common: their options and how they end."""

import asyncio
from collections.abc import Coroutine
from enum import IntEnum
from typing import Annotated, Any

import typer

from speechpipe_client import (
    AuthenticationError,
    GatewayFull,
    GatewayUnreachable,
    SessionLost,
    SpeechpipeError,
    UnsupportedLanguage,
)
from speechpipe_client.options import DEFAULT_URL as DEFAULT_URL
from speechpipe_client.options import spoken_language, target_languages


class Exit(IntEnum):
    """Exit codes, the same for every streaming command."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    REFUSED = 4
    INTERRUPTED = 130


EXIT_CODES = """
Exit codes: 0 done; 1 something was not transcribed; 2 wrong arguments or unreadable audio;
3 no gateway, or all full; 4 API key refused; 130 interrupted.
"""

Urls = Annotated[
    list[str],
    typer.Option("--url", envvar="SPEECHPIPE_URL", help="Gateway address; several: the next one takes over a session."),
]


def _source(value: str) -> str:
    try:
        return spoken_language(value)
    except UnsupportedLanguage as error:
        raise typer.BadParameter(str(error)) from error


def _targets(values: list[str]) -> list[str]:
    try:
        return list(target_languages(values))
    except UnsupportedLanguage as error:
        raise typer.BadParameter(str(error)) from error


Source = Annotated[
    str, typer.Option("--source", callback=_source, help="Spoken language, by code or English name; auto detects it.")
]
Targets = Annotated[
    list[str],
    typer.Option("--target", callback=_targets, help="Translate into this language; may be given repeatedly."),
]
ApiKey = Annotated[
    str | None, typer.Option("--api-key", envvar="SPEECHPIPE_API_KEY", help="API key; better in the environment.")
]


def run(work: Coroutine[Any, Any, Exit]) -> None:
    """Run a command's coroutine and end the process with its exit code, or with that of what went wrong."""
    try:
        code = asyncio.run(work)
    except KeyboardInterrupt:
        code = Exit.INTERRUPTED
    except SpeechpipeError as error:
        code = _report(error)
    raise typer.Exit(code)


def fail(message: str) -> None:
    """Say on standard error what went wrong."""
    typer.secho(f"speechpipe: {message}", err=True, fg=typer.colors.RED)


def _report(error: SpeechpipeError) -> Exit:
    fail(str(error))
    match error:
        case SessionLost():
            return Exit.UNREACHABLE
        case GatewayUnreachable():
            typer.echo("Is a pipeline running? `speechpipe up -f examples/local.yaml` starts one here.", err=True)
            return Exit.UNREACHABLE
        case GatewayFull():
            return Exit.UNREACHABLE
        case AuthenticationError():
            return Exit.REFUSED
        case _:
            return Exit.FAILED
