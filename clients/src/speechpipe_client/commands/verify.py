"""``speechpipe verify``: whether a running pipeline understands speech."""

from collections.abc import Awaitable
from pathlib import Path
from typing import Annotated

import typer
from soundfile import SoundFileError

from speechpipe_client.commands.shared import DEFAULT_URL, EXIT_CODES, ApiKey, Exit, fail, run
from speechpipe_common.downloads import ASSETS, DownloadError, fetch

EPILOG = (
    """
Examples:

  speechpipe verify --url ws://captions-gateway.speech.svc/ws

  speechpipe verify --clip en/quick_brown_fox --clip fr/bonjour_monde --target es

`helm test` runs it against each pipeline of a release.
"""
    + EXIT_CODES
)


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(epilog=EPILOG)
    def verify(
        url: Annotated[str, typer.Option(envvar="SPEECHPIPE_URL", help="Gateway address.")] = DEFAULT_URL,
        clip: Annotated[list[str], typer.Option(help="Clip to play; may be given repeatedly.")] = [  # noqa: B006 - typer only reads it
            "en/quick_brown_fox"
        ],
        target: Annotated[str | None, typer.Option(help="Ask for a translation into this language, too.")] = None,
        timeout: Annotated[float, typer.Option(help="Seconds for each clip, waiting for the gateway included.")] = 60,
        samples: Annotated[
            Path | None, typer.Option(help="Folder of the clips; fetched once into the cache if not given.")
        ] = None,
        api_key: ApiKey = None,
    ) -> None:
        """Play known speech to a gateway, and judge what comes back.

        Exits 0 only if every clip came out whole and right.
        """
        try:
            from speechpipe_client.demo.check import check_all
            from speechpipe_client.demo.clips import find, load_one
        except ModuleNotFoundError as error:
            fail(f"verify needs {error.name}: pip install 'speechpipe-client[verify]'")
            raise typer.Exit(Exit.USAGE) from error
        try:
            choices = [find(name) for name in clip]
            folder = samples or fetch(ASSETS["audioeval"])
            clips = [load_one(folder, choice, target) for choice in choices]
        except (ValueError, DownloadError, SoundFileError) as error:
            fail(str(error))
            raise typer.Exit(Exit.USAGE) from error
        run(_verify(check_all(clips, url, api_key, timeout, typer.echo)))


async def _verify(right: Awaitable[bool]) -> Exit:
    return Exit.OK if await right else Exit.FAILED
