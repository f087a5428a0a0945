"""The ``speechpipe`` command."""

import typer

from speechpipe_client.commands import demo, desktop, doctor, listen, load, plan, simulate, transcribe, up, verify

app = typer.Typer(
    name="speechpipe",
    help="Real-time speech transcription and translation: run a pipeline, and talk to one.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,  # locals hold API keys and what was said
    context_settings={"help_option_names": ["-h", "--help"]},
)

for command in (up, plan, simulate, doctor, transcribe, listen, desktop, demo, verify, load):
    command.register(app)


def main() -> None:
    """Entry point."""
    app()
