"""``speechpipe transcribe``: audio files in; text, JSON or subtitles out."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from speechpipe_client import AudioError, AudioFile, Pace, Transcript, connect
from speechpipe_client.commands.shared import EXIT_CODES, ApiKey, Exit, Source, Targets, Urls, fail, run
from speechpipe_client.display import Display, InOrder
from speechpipe_client.formats import Format, render
from speechpipe_client.options import DEFAULT_URL

EPILOG = (
    """
Examples:

  speechpipe transcribe talk.wav

  speechpipe transcribe talk.mp3 --source en --target es --format srt > talk.es.srt

  speechpipe transcribe *.flac --pace fast --format vtt --output subtitles/

Standard output holds nothing but the result; progress goes to standard error.
"""
    + EXIT_CODES
)


@dataclass(frozen=True, slots=True)
class Request:
    """What one call of the command asks for."""

    urls: Sequence[str]
    api_key: str | None
    source: str
    targets: tuple[str, ...]
    form: Format
    pace: Pace
    subtitles: str | None
    output: Path | None


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(epilog=EPILOG)
    def transcribe(
        files: Annotated[list[Path], typer.Argument(help="WAV, FLAC, MP3 or Ogg, any rate and channels.")],
        url: Urls = [DEFAULT_URL],  # noqa: B006 - typer copies it
        source: Source = "auto",
        target: Targets = [],  # noqa: B006 - typer copies it
        form: Annotated[Format, typer.Option("--format", help="Form of the result.")] = Format.TEXT,
        pace: Annotated[Pace, typer.Option(help="As a microphone would, or as fast as the gateway takes it.")] = (
            Pace.FAST
        ),
        subtitles: Annotated[
            str | None,
            typer.Option(help="Language of SRT and VTT: a target, or `source`; the first target if not given."),
        ] = None,
        output: Annotated[
            Path | None, typer.Option(help="File for the result; a folder (one file each) for several.")
        ] = None,
        api_key: ApiKey = None,
    ) -> None:
        """Transcribe audio files through a gateway."""
        targets = tuple(target)
        try:
            shown = _subtitle_language(subtitles, targets)
            sources = [AudioFile.open(path, pace) for path in files]
            if len(files) > 1 and output is None and form in (Format.SRT, Format.VTT):
                raise ValueError(f"{form.value} of several files needs --output FOLDER")
            outputs = [_place(output, path, form, several=len(files) > 1) for path in files]
        except (AudioError, ValueError) as error:
            fail(str(error))
            raise typer.Exit(Exit.USAGE) from error
        request = Request(url, api_key, source, targets, form, pace, shown, output)
        run(_transcribe_all(sources, outputs, request))


def _subtitle_language(wish: str | None, targets: tuple[str, ...]) -> str | None:
    """The language whose translation subtitles show; None for what was said."""
    if wish is None:
        return targets[0] if targets else None
    if wish == "source":
        return None
    if wish not in targets:
        raise ValueError(f"--subtitles {wish}: not one of the targets ({', '.join(targets) or 'none given'})")
    return wish


def _place(output: Path | None, source: Path, form: Format, *, several: bool) -> Path | None:
    if output is None:
        return None
    return output / f"{source.stem}{form.suffix}" if several or output.is_dir() else output


async def _transcribe_all(files: Sequence[AudioFile], outputs: Sequence[Path | None], request: Request) -> Exit:
    worst = Exit.OK
    with Display() as display:
        for file, output in zip(files, outputs, strict=True):
            if len(files) > 1 and output is None and request.form is Format.TEXT:
                display.result(f"==> {file.path} <==\n")
            try:
                transcript = await _transcribe(file, output is None, request, display)
                _deliver(transcript, file, output, request, display)
            except (AudioError, OSError) as error:
                display.note(f"speechpipe: {error}")
                worst = Exit.FAILED
                continue
            for problem in transcript.problems:
                display.note(f"speechpipe: {file.path}: {problem.message} ({problem.code})")
                worst = Exit.FAILED
    return worst


async def _transcribe(file: AudioFile, to_stdout: bool, request: Request, display: Display) -> Transcript:
    """Stream one file; text for standard output is written as it becomes final."""
    transcript = Transcript()
    in_order = InOrder(transcript, request.targets)
    live_text = to_stdout and request.form is Format.TEXT
    display.begin(str(file.path), file.seconds)
    async with connect(
        request.urls,
        api_key=request.api_key,
        language=request.source,
        translate=request.targets,
        audio=_shown(file, display),
        sample_rate=file.sample_rate,
        channels=file.channels,
        partials=request.pace is Pace.REALTIME,
    ) as session:
        async for event in session:
            transcript.add(event)
            display.connection(event)
            if live_text and (ready := in_order.complete()):
                display.result(render(ready, Format.TEXT))
            display.heard(transcript.pending)
    if live_text:
        display.result(render(in_order.rest(), Format.TEXT))
    return transcript


async def _shown(file: AudioFile, display: Display) -> AsyncIterator[bytes]:
    """The file's audio, and its progress."""
    async for block in file:
        yield block
        display.sent(len(block) / file.bytes_per_second)


def _deliver(transcript: Transcript, file: AudioFile, output: Path | None, request: Request, display: Display) -> None:
    if output is None and request.form is Format.TEXT:
        return
    text = render(transcript.segments, request.form, name=str(file.path), target=request.subtitles)
    if output is None:
        display.result(text)
    else:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(text, encoding="utf-8")
        display.note(f"{file.path} -> {output}")
