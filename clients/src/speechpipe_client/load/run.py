"""A whole run: what is loaded, one load or the search for the most streams, and the report."""

import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from speechpipe_client.load.capacity import CapacitySearch
from speechpipe_client.load.legacy import LegacyLine
from speechpipe_client.load.lines import Line, NativeLine, Wish
from speechpipe_client.load.report import Peer, Report, Stage
from speechpipe_client.load.schedule import Plan
from speechpipe_client.load.server import Process, idle
from speechpipe_client.load.stage import Measured, Setting, Stop, run_stage
from speechpipe_client.load.summary import summarise
from speechpipe_client.load.talker import Clip, Framing
from speechpipe_client.load.verdict import keeps
from speechpipe_client.load.whisper import Device, WhisperLine, WhisperPeer

SETTLE_SECONDS: Final = 600.0
"""For what a load has left in the queues, before the next one of a search begins."""

STUCK: Final = f"the pipeline still had jobs {SETTLE_SECONDS:.0f} s later, so the search ended: is a worker stuck?"


@dataclass(frozen=True, slots=True)
class Request:
    """What one call asks for. ``plan.streams`` is where a search for ``target`` (seconds) begins."""

    wish: Wish
    peer: Peer
    clips: Sequence[Clip]
    speech: str
    framing: Framing
    pause: float
    plan: Plan
    drain: float = 60.0
    processes: Sequence[Process] = ()
    local: bool = False
    """What is loaded runs on this machine."""
    target: float | None = None
    most: int = 1024
    model: str = "base"
    device: Device = "auto"


class Audience:
    """Whoever watches a run; does nothing."""

    def look(self, load: Measured) -> None:
        """How a load is getting on."""

    def tell(self, stage: Stage) -> None:
        """A load is over."""


async def run_load(request: Request, audience: Audience, stop: Stop) -> Report:
    """Carry it out; what ``stop`` ends early is reported as far as it came.

    Raises:
        SpeechpipeError: the peer can't be started.
    """
    silence = 0.0 if request.peer == "faster-whisper" else request.wish.silence
    stages: list[Stage] = []

    async def load(streams: int, make_line: Callable[[int], Line]) -> Stage:
        setting = Setting(request.clips, request.framing, request.pause, make_line, request.processes, request.drain)
        measured = await run_stage(setting, replace(request.plan, streams=streams), audience.look, stop)
        stage = summarise(measured, silence, shared=request.local)
        stages.append(stage)
        audience.tell(stage)
        return stage

    search = CapacitySearch(request.plan.streams, request.most)
    async with _lines(request) as make_line:
        if request.target is None:
            await load(request.plan.streams, make_line)
        while request.target is not None and (streams := search.next()) is not None and not stop.early.is_set():
            if stages and not await idle(request.processes, SETTLE_SECONDS, stop.early):
                stages[-1] = msgspec.structs.replace(stages[-1], verdict=[*stages[-1].verdict, STUCK])
                break
            stage = await load(streams, make_line)
            if not stage.stopped:
                search.record(streams, held=keeps(stage, request.target))
    return Report(
        peer=request.peer,
        speech=request.speech,
        silence=silence,
        frame_milliseconds=request.framing.milliseconds,
        cores=os.cpu_count() or 1,
        stages=stages,
        target=request.target,
        capacity=None if request.target is None else search.best,
        capacity_bounded=search.bounded,
    )


@asynccontextmanager
async def _lines(request: Request) -> AsyncIterator[Callable[[int], Line]]:
    wish = request.wish
    if request.peer == "faster-whisper":
        async with WhisperPeer(request.model, request.device) as whisper:
            yield lambda _number: WhisperLine(whisper)
    elif request.peer == "legacy":
        yield lambda number: LegacyLine(wish, number)
    else:
        yield lambda number: NativeLine(wish, number)
