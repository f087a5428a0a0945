"""``speechpipe load``: many talkers at once, and how long they wait."""

from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from speechpipe_client.commands.shared import ApiKey, Exit, Targets, fail

if TYPE_CHECKING:
    pass

EPILOG = """
Without URL a pipeline is started on this machine and stopped again: that of -f, or one worker with --model.

Examples:

  speechpipe load --streams 8 --hold 60 --model tiny.en

  speechpipe load ws://captions.example.org/ws -n 100 --ramp 30 --html report.html --metrics gateway=http://10.0.0.7:8080/metrics

  speechpipe load --find-capacity 500 --hold 30 --json capacity.json

  speechpipe load ws://127.0.0.1:5026/ws -n 20 --drop-seconds 15

  speechpipe load --peer faster-whisper --find-capacity 500

Synthetic speech is for loading gateways: detectors take it for speech, but no recogniser finds words in it, however
long it tries.

Waits are counted from when something was spoken, not from when it was sent. All streams are in this process: the report
says what it cost, and when it was itself the limit. Ctrl-C winds up and reports; a second one reports at once.

Exit codes: 0 done; 1 streams were refused or lost, finals are missing, or no number of streams keeps the target;
2 wrong arguments or unreadable audio; 3 no gateway.
"""

NEEDED: Final = ("jiwer", "soxr", "text_to_num", "whisper_normalizer")


class PeerName(StrEnum):
    """What is loaded."""

    SPEECHPIPE = "speechpipe"
    LEGACY = "legacy"
    FASTER_WHISPER = "faster-whisper"


class EngineName(StrEnum):
    """Engine of the STT worker that is started."""

    BATCHED = "batched"
    REFERENCE = "reference"


class DeviceName(StrEnum):
    """Where models run."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(epilog=EPILOG)
    def load(
        urls: Annotated[list[str] | None, typer.Argument(metavar="[URL]...", help="Gateways, taken in turn.")] = None,
        streams: Annotated[
            int, typer.Option("--streams", "-n", min=1, max=20_000, help="Talkers; of a search: the first number.")
        ] = 10,
        ramp: Annotated[float, typer.Option(min=0, help="Seconds within which they come in.")] = 10.0,
        hold: Annotated[float, typer.Option(min=1, help="Seconds that all of them speak and are measured.")] = 60.0,
        find_capacity: Annotated[
            float | None,
            typer.Option(
                min=1, metavar="MS", help="Find the most streams whose finals' p95 is within this, beyond the silence."
            ),
        ] = None,
        most: Annotated[int, typer.Option(min=1, max=20_000, help="A search tries no more.")] = 1024,
        speech: Annotated[
            str, typer.Option(help="Folder of audio (manifest.json or .txt beside it optional), audioeval, synthetic.")
        ] = "audioeval",
        language: Annotated[
            list[str], typer.Option(help="What is spoken: clips in these languages; all of them with 'all'.")
        ] = ["en"],  # noqa: B006 - typer copies it
        target: Targets = [],  # noqa: B006 - typer copies it
        pause: Annotated[float, typer.Option(min=0.3, help="Mean seconds of silence before each clip.")] = 2.0,
        silence: Annotated[float, typer.Option(min=0.2, max=10, help="Silence threshold asked for, seconds.")] = 0.8,
        partials: Annotated[bool, typer.Option(help="Ask for partial captions.")] = True,
        frame_ms: Annotated[int, typer.Option(min=10, max=1000, help="Milliseconds of audio in a frame.")] = 100,
        drop_seconds: Annotated[
            float | None, typer.Option(min=1, help="Cut each connection without a close, so often in the mean.")
        ] = None,
        drain: Annotated[float, typer.Option(min=1, help="Seconds that the last finals may take.")] = 60.0,
        metrics: Annotated[
            list[str], typer.Option(metavar="[NAME=]URL", help="/metrics of a loaded process, for its CPU and memory.")
        ] = [],  # noqa: B006 - typer copies it
        peer: Annotated[PeerName, typer.Option(help="What is loaded: see below.")] = PeerName.SPEECHPIPE,
        file: Annotated[Path | None, typer.Option("--file", "-f", help="Start the pipeline of this document.")] = None,
        name: Annotated[str | None, typer.Option("--name", help="Which one, where the file holds several.")] = None,
        model: Annotated[str, typer.Option(help="Whisper model of what is started here.")] = "base",
        engine: Annotated[EngineName | None, typer.Option(help="Engine of the worker started here.")] = None,
        device: Annotated[DeviceName, typer.Option(help="Where models that are started here run.")] = DeviceName.CPU,
        json_file: Annotated[Path | None, typer.Option("--json", help="Write the report as JSON.")] = None,
        html_file: Annotated[Path | None, typer.Option("--html", help="Write it as a page with plots.")] = None,
        png_file: Annotated[Path | None, typer.Option("--png", help="Write the plots.")] = None,
        seed: Annotated[int, typer.Option(help="Chooses who says what when; the same again with the same.")] = 1,
        api_key: ApiKey = None,
    ) -> None:
        """Let many talkers speak at real-time pace, and report how long they wait, what they miss, and what it costs.

        Peers: speechpipe is our own protocol; legacy, binary frames with a header, as older clients send;
        faster-whisper, nothing but its transcribe on this machine, one utterance at a time, told when speech ends.
        """
        given = dict(locals())
        _require(plots=html_file is not None or png_file is not None)
        from speechpipe_client.commands.loading import Loading, execute

        execute(Loading(**{key: value for key, value in given.items() if key in Loading.__dataclass_fields__}))


def _require(*, plots: bool) -> None:
    """End with a hint where a package of the extra is missing, before anything is started."""
    missing = [package for package in (*NEEDED, *(("matplotlib",) if plots else ())) if find_spec(package) is None]
    if missing:
        fail(f"load needs {', '.join(missing)}: pip install 'speechpipe-client[load]'")
        raise typer.Exit(Exit.USAGE)
