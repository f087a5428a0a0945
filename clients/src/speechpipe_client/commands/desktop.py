"""``speechpipe desktop``: voice typing and subtitles on this machine's desktop."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from speechpipe_client.commands.shared import Exit, fail
from speechpipe_common.languages import UnknownLanguage, resolve

EPILOG = """
Examples:

  speechpipe desktop

  speechpipe desktop --source en --target es --start

  speechpipe desktop --input system --no-type --target en

  speechpipe desktop --input talk.wav --start

The third one shows subtitles for what this computer plays, the last one takes a file as if it were said.
Hold Ctrl+Alt+Space to speak, or begin and end with Ctrl+Alt+D; Ctrl+Alt+M lets the subtitles be moved.
What an option says holds for this run; what is chosen in the app is kept.
Exit codes: 0 quit; 2 wrong arguments, or something is missing here; 130 interrupted.
"""


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(epilog=EPILOG)
    def desktop(
        url: Annotated[
            list[str] | None,
            typer.Option("--url", envvar="SPEECHPIPE_URL", help="Gateway address; several: the next one takes over."),
        ] = None,
        source: Annotated[
            str | None, typer.Option(help="Spoken language, by code or English name; auto detects it.")
        ] = None,
        target: Annotated[
            list[str] | None, typer.Option(help="Translate into this language; may be given repeatedly.")
        ] = None,
        chosen: Annotated[
            str | None,
            typer.Option("--input", help="microphone, microphone:NAME, system, system:NAME, or an audio file."),
        ] = None,
        types: Annotated[
            bool | None, typer.Option("--type/--no-type", help="Type what is said into the focused window.")
        ] = None,
        subtitles: Annotated[bool | None, typer.Option(help="Show subtitles over all windows.")] = None,
        start: Annotated[bool, typer.Option("--start", help="Begin to listen at once.")] = False,
        list_inputs: Annotated[bool, typer.Option("--list-inputs", help="Show what --input takes, and leave.")] = False,
        settings: Annotated[Path | None, typer.Option(help="Keep settings in this file.")] = None,
        api_key: Annotated[
            str | None, typer.Option(envvar="SPEECHPIPE_API_KEY", help="API key; better in the environment.")
        ] = None,
    ) -> None:
        """Dictate into any window, and see subtitles over all of them."""
        if list_inputs:
            from speechpipe_client.desktop.inputs import all_inputs

            typer.echo("\n".join(each.text for each in all_inputs()))
            raise typer.Exit
        given = {
            "urls": tuple(url) if url else None,
            "source": _code(source) if source else None,
            "targets": tuple(dict.fromkeys(map(_code, target))) if target else None,
            "input": chosen,
            "types": types,
            "subtitles": subtitles,
            "api_key": api_key,
        }
        overrides = {name: value for name, value in given.items() if value is not None}
        raise typer.Exit(_run(overrides, settings, start=start))


def _code(language: str) -> str:
    if language == "auto":
        return language
    try:
        return resolve(language).code
    except UnknownLanguage as error:
        raise typer.BadParameter(str(error)) from error


def _run(overrides: Mapping[str, object], path: Path | None, *, start: bool) -> Exit:
    """The app, until somebody quits it; Qt is imported only here."""
    from speechpipe_client.desktop.chords import BadChord
    from speechpipe_client.desktop.needs import DesktopError, prepare
    from speechpipe_client.desktop.settings import SettingsStore, default_path

    try:
        prepare()
        store = SettingsStore(path or default_path(), overrides)
        from speechpipe_client.desktop.app import run

        return Exit.INTERRUPTED if run(store, _say, listening=start) else Exit.OK
    except (DesktopError, BadChord) as error:
        fail(str(error))
        return Exit.USAGE


def _say(sentence: str) -> None:
    sys.stderr.write(f"speechpipe: {sentence}\n")
    sys.stderr.flush()
