"""``speechpipe listen``: live captions of the microphone."""

import asyncio
import signal
from typing import Annotated

import typer

from speechpipe_client import Microphone, MicrophoneError, Session, Transcript, connect, list_devices
from speechpipe_client.commands.shared import EXIT_CODES, ApiKey, Exit, Source, Targets, Urls, fail, run
from speechpipe_client.display import Display, InOrder
from speechpipe_client.formats import Format, render
from speechpipe_client.options import DEFAULT_URL

EPILOG = (
    """
Examples:

  speechpipe listen --source en --target es

  speechpipe listen --device 3 --url wss://captions.example.org/ws

Ctrl-C ends the recording and waits for the last captions; a second one leaves at once.
"""
    + EXIT_CODES
)


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(epilog=EPILOG)
    def listen(
        url: Urls = [DEFAULT_URL],  # noqa: B006 - typer copies it
        source: Source = "auto",
        target: Targets = [],  # noqa: B006 - typer copies it
        device: Annotated[str | None, typer.Option(help="Number or part of the name of the input device.")] = None,
        devices: Annotated[bool, typer.Option("--list-devices", help="Show the devices and leave.")] = False,
        api_key: ApiKey = None,
    ) -> None:
        """Caption the microphone live."""
        try:
            if devices:
                typer.echo(list_devices())
                raise typer.Exit
            microphone = Microphone(device)
        except MicrophoneError as error:
            fail(str(error))
            raise typer.Exit(Exit.USAGE) from error
        session = connect(url, api_key=api_key, language=source, translate=target, audio=microphone)
        run(_listen(microphone, session, tuple(target)))


async def _listen(microphone: Microphone, unopened: Session, targets: tuple[str, ...]) -> Exit:
    transcript = Transcript()
    in_order = InOrder(transcript, targets)
    with Display() as display:
        async with unopened as session:
            display.note(f"Listening to {microphone.name}; Ctrl-C ends.")
            _stop_on_interrupt(microphone)
            async for event in session:
                transcript.add(event)
                display.connection(event)
                if ready := in_order.complete():
                    display.result(render(ready, Format.TEXT))
                display.heard(transcript.pending)
        display.result(render(in_order.rest(), Format.TEXT))
        if microphone.dropped:
            display.note(f"speechpipe: {microphone.dropped / 10:.1f} s of audio were dropped: the gateway was too slow")
        for problem in transcript.problems:
            display.note(f"speechpipe: {problem.message} ({problem.code})")
    return Exit.FAILED if transcript.problems or microphone.dropped else Exit.OK


def _stop_on_interrupt(microphone: Microphone) -> None:
    loop = asyncio.get_running_loop()

    def first() -> None:
        loop.remove_signal_handler(signal.SIGINT)
        microphone.stop()

    loop.add_signal_handler(signal.SIGINT, first)
