"""Carries out ``speechpipe load``: from its arguments to a run, its report, and its exit code."""

import asyncio
import io
import resource
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import msgspec
import typer
from rich.console import Console

from speechpipe_client.audio import AudioError
from speechpipe_client.commands.documents import read_plan, require_operator
from speechpipe_client.commands.shared import Exit, fail, run
from speechpipe_client.errors import SpeechpipeError
from speechpipe_client.load.clips import read_folder
from speechpipe_client.load.lines import Wish, reach
from speechpipe_client.load.report import Peer, Report
from speechpipe_client.load.run import Request, run_load
from speechpipe_client.load.schedule import Plan
from speechpipe_client.load.server import NoMetrics, Process, read
from speechpipe_client.load.stage import Stop
from speechpipe_client.load.synthetic import synthetic_clips
from speechpipe_client.load.talker import Clip, Framing
from speechpipe_client.load.view import View
from speechpipe_common.downloads import ASSETS, DownloadError, cache_root, fetch
from speechpipe_common.languages import UnknownLanguage, resolve

SPARE_FILES = 200
"""Open files besides the streams' own sockets."""

PAUSE_MARGIN = 0.5
"""Silence must last so much longer than the threshold, or two utterances become one."""


@dataclass(frozen=True, slots=True)
class Loading:
    """The arguments of the command, under its names."""

    urls: list[str] | None
    streams: int
    ramp: float
    hold: float
    find_capacity: float | None
    most: int
    speech: str
    language: list[str]
    target: list[str]
    pause: float
    silence: float
    partials: bool
    frame_ms: int
    drop_seconds: float | None
    drain: float
    metrics: list[str]
    peer: Peer
    file: Path | None
    name: str | None
    model: str
    engine: Literal["batched", "reference"] | None
    device: Literal["auto", "cpu", "cuda"]
    json_file: Path | None
    html_file: Path | None
    png_file: Path | None
    seed: int
    api_key: str | None


def execute(given: Loading) -> None:
    """Load, report, and end the process with its exit code."""
    try:
        _refuse(given)
        _allow_sockets(given.streams if given.find_capacity is None else given.most)
        request = _request(given)
    except (ValueError, AudioError, DownloadError, NoMetrics) as error:
        fail(str(error))
        raise typer.Exit(Exit.USAGE) from error
    run(_load(given, request))


def _refuse(given: Loading) -> None:
    """Check what options together may not say.

    Raises:
        ValueError: they contradict each other.
    """
    if 0.75 * given.pause < given.silence + PAUSE_MARGIN and given.peer != "faster-whisper":
        least = (given.silence + PAUSE_MARGIN) / 0.75
        raise ValueError(
            f"--pause {given.pause:g} leaves no room for --silence {given.silence:g}: utterances would run together; "
            f"give at least --pause {least:.1f}"
        )
    if given.urls and (given.file or given.engine):
        raise ValueError("a URL is loaded as it is: -f and --engine are for a pipeline that is started here")
    if given.peer == "faster-whisper" and given.urls:
        raise ValueError(f"--peer faster-whisper runs on this machine: leave {' '.join(given.urls)} out")
    if given.peer == "legacy" and given.drop_seconds:
        raise ValueError("--drop-seconds: the legacy protocol has no resuming, so every cut would end a stream")


def _allow_sockets(streams: int) -> None:
    """Let this process open a socket for each stream.

    Raises:
        ValueError: the system allows fewer.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = streams + SPARE_FILES
    if soft != resource.RLIM_INFINITY and needed > soft:
        if hard != resource.RLIM_INFINITY and needed > hard:
            raise ValueError(
                f"{streams} streams need {needed} open files, and this system allows {hard} (ulimit -Hn): "
                "ask for fewer, or raise it"
            )
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def _request(given: Loading) -> Request:
    framing = Framing(given.frame_ms)
    return Request(
        wish=Wish(given.urls or [], given.api_key, given.silence, given.partials, tuple(given.target)),
        peer=given.peer,
        clips=_clips(given, framing),
        speech=given.speech if given.speech in ("audioeval", "synthetic") else Path(given.speech).name,
        framing=framing,
        pause=given.pause,
        plan=Plan(given.streams, given.ramp, given.hold, given.drop_seconds, given.seed),
        drain=given.drain,
        processes=[_process(each) for each in given.metrics],
        local=not given.urls,
        target=given.find_capacity / 1000 if given.find_capacity else None,
        most=given.most,
        model=given.model,
        device=given.device,
    )


def _clips(given: Loading, framing: Framing) -> list[Clip]:
    if given.speech == "synthetic":
        return synthetic_clips(framing, given.seed)
    try:
        languages = [] if "all" in given.language else [resolve(each).code for each in given.language]
    except UnknownLanguage as error:
        raise ValueError(str(error)) from error
    folder = fetch(ASSETS["audioeval"]) if given.speech == "audioeval" else Path(given.speech)
    return read_folder(folder, framing, languages, lambda text: typer.echo(text, err=True))


def _process(named: str) -> Process:
    """From ``NAME=URL`` or ``URL``; read once, so that a wrong one is known before the load begins."""
    name, _, url = named.partition("=") if "=" in named.split("://")[0] else (named, "", named)
    process = Process(name, url)
    read(process)
    return process


async def _load(given: Loading, request: Request) -> Exit:
    stop = Stop()
    with View() as view:
        async with _prepared(given, request, view) as ready:
            asyncio.get_running_loop().add_signal_handler(signal.SIGINT, _interrupted, stop, view)
            report = await run_load(ready, view, stop)
    view.report(report)
    _write(report, given, view)
    return Exit.OK if _well(report) else Exit.FAILED


def _interrupted(stop: Stop, view: View) -> None:
    stop.ask()
    if not stop.now.is_set():
        view.note("Stopping: the last finals are waited for; Ctrl-C again reports at once.")


@asynccontextmanager
async def _prepared(given: Loading, request: Request, view: View) -> AsyncIterator[Request]:
    """The request with something to load: what was named, or a pipeline of our own."""
    if given.urls or given.peer == "faster-whisper":
        for url in given.urls or ():
            await reach(url)
        if given.peer == "faster-whisper":
            view.note(f"Loading {given.model} ...")
        yield request
        return
    require_operator()
    from speechpipe_client.load.embedded import embedded, load_plan

    log = cache_root() / "load.log"
    plan = read_plan(given.file, given.name) if given.file else load_plan(given.model, given.engine, given.device)
    view.note("Starting a pipeline on this machine ...")
    async with embedded(plan, log) as (urls, processes):
        view.note(f"Ready at {', '.join(urls)}; its log: {log}")
        yield replace(request, wish=replace(request.wish, urls=urls), processes=[*processes, *request.processes])


def _write(report: Report, given: Loading, view: View) -> None:
    """Write what was asked for.

    Raises:
        SpeechpipeError: a file can't be written.
    """
    try:
        if given.json_file:
            given.json_file.parent.mkdir(parents=True, exist_ok=True)
            given.json_file.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n")
        if given.html_file or given.png_file:
            from speechpipe_client.load.plots import write_html, write_png

            if given.html_file:
                write_html(report, given.html_file, _text(report))
            if given.png_file:
                write_png(report, given.png_file)
    except OSError as error:
        raise SpeechpipeError(f"{error.filename} can't be written: {error.strerror}") from error
    for path in filter(None, (given.json_file, given.html_file, given.png_file)):
        view.note(f"wrote {path}")


def _text(report: Report) -> str:
    console = Console(file=io.StringIO(), record=True, width=110)
    View(console).report(report)
    return console.export_text()


def _well(report: Report) -> bool:
    if report.target is not None:
        return bool(report.capacity)
    return all(not stage.refused and not stage.failed and stage.complete == 1 for stage in report.stages)
