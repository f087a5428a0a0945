"""``speechpipe demo``: real speech through a whole pipeline on this machine."""

from typing import Annotated

import typer

from speechpipe_client.commands.shared import ApiKey, Exit, fail


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def demo(
        url: Annotated[
            str | None, typer.Option(help="Gateway to use; without it, a pipeline is started and stopped again.")
        ] = None,
        api_key: ApiKey = None,
    ) -> None:
        """Play real speech in five languages, show the captions live, and judge them.

        Exits 0 only if every clip came out whole and right.
        """
        try:
            from speechpipe_client.demo.run import main
        except ModuleNotFoundError as error:
            fail(f"the demo needs {error.name}: pip install 'speechpipe-client[demo]'")
            raise typer.Exit(Exit.USAGE) from error
        main(url, api_key)
