"""Runs one load: streams come in, speak together, wind up, and are waited for."""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from speechpipe_client.load.lines import Line
from speechpipe_client.load.schedule import Entrance, Plan, cuts, entrances
from speechpipe_client.load.server import Observer, Process, Sample
from speechpipe_client.load.stream import State, Stream
from speechpipe_client.load.talker import Clip, Framing, Talker
from speechpipe_client.load.wheel import Wheel

WATCH_SECONDS: Final = 0.5
"""Between two calls of whoever watches."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What all loads of one run have in common."""

    clips: Sequence[Clip]
    framing: Framing
    pause: float
    make_line: Callable[[int], Line]
    processes: Sequence[Process] = ()
    drain: float = 60.0
    """Seconds that the last finals may take."""


@dataclass(slots=True)
class Measured:
    """A load as it went; times are those of the loop's clock."""

    plan: Plan
    streams: list[Stream]
    began: float
    phase: str = "ramp"
    held_from: float = 0.0
    held_to: float = 0.0
    ended: float = 0.0
    own_cpu: float = 0.0
    """CPU seconds of this process while the load was held."""
    lateness: list[tuple[float, float]] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    stopped: bool = False

    def count(self, *states: State) -> int:
        """Streams in one of these states."""
        return sum(stream.state in states for stream in self.streams)


ENTER_SECONDS: Final = 60.0
"""After the ramp, for streams that are still connecting."""

Watch = Callable[[Measured], None]


class Stop:
    """Ends a load before its time: the first time it winds up, the second time it ends at once."""

    def __init__(self) -> None:
        self.early = asyncio.Event()
        self.now = asyncio.Event()

    def ask(self) -> None:
        """Once more."""
        (self.now if self.early.is_set() else self.early).set()


async def run_stage(setting: Setting, plan: Plan, watch: Watch, stop: Stop) -> Measured:
    """Carry out a plan; returns when all streams have ended, or were given up after ``drain`` seconds."""
    clock = asyncio.get_running_loop().time
    wheel, observer = Wheel(setting.framing), Observer(setting.processes)
    comings = entrances(plan, setting.framing.seconds)
    streams = [_stream(setting, plan, each) for each in comings]
    load = Measured(plan, streams, clock(), lateness=wheel.lateness, samples=observer.samples)
    helpers = [asyncio.create_task(work) for work in (wheel.run(), observer.run(), _watched(load, watch))]
    speaking = [asyncio.create_task(_enter(*pair, wheel, stop)) for pair in zip(streams, comings, strict=True)]
    try:
        await _pause(plan.ramp, stop.early)
        await _all_in(streams, stop)
        load.phase, load.held_from, cpu = "hold", clock(), time.process_time()
        await _pause(plan.hold, stop.early)
        load.phase, load.held_to, load.own_cpu = "drain", clock(), time.process_time() - cpu
        load.stopped = stop.early.is_set()
        for stream in streams:
            stream.talker.wind_up()
        await _drain(speaking, setting.drain, stop)
    finally:
        for task in (*speaking, *helpers):
            task.cancel()
        await asyncio.gather(*speaking, *helpers, return_exceptions=True)
    load.ended = clock()
    return load


def _stream(setting: Setting, plan: Plan, entrance: Entrance) -> Stream:
    languages = sorted({clip.language for clip in setting.clips})
    language = languages[entrance.number % len(languages)]
    own = [clip for clip in setting.clips if clip.language == language]
    dice = random.Random(f"{plan.seed}/{entrance.number}/speech")
    talker = Talker(own, setting.framing, setting.pause, dice)
    number = entrance.number
    return Stream(number, language, talker, setting.make_line(number), cuts(plan, number), setting.framing)


async def _enter(stream: Stream, entrance: Entrance, wheel: Wheel, stop: Stop) -> None:
    await _pause(entrance.start, stop.early)
    if not stop.early.is_set():
        await stream.run(wheel, entrance.phase)


async def _pause(seconds: float, until: asyncio.Event) -> None:
    """Wait for so long, or until the event."""
    try:
        await asyncio.wait_for(until.wait(), seconds)
    except TimeoutError:
        return


async def _all_in(streams: Sequence[Stream], stop: Stop) -> None:
    """Wait until every stream speaks or was refused; one that takes too long is counted as it is."""
    stopped = asyncio.create_task(stop.early.wait())
    everybody = asyncio.gather(*(stream.entered.wait() for stream in streams))
    try:
        await asyncio.wait((stopped, everybody), timeout=ENTER_SECONDS, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopped.cancel()
        everybody.cancel()
        await asyncio.gather(stopped, everybody, return_exceptions=True)


async def _drain(speaking: Sequence[asyncio.Task[None]], seconds: float, stop: Stop) -> None:
    """Wait until all have ended, the time is over, or somebody wants it now."""
    everybody = asyncio.gather(*speaking)
    now = asyncio.create_task(stop.now.wait())
    try:
        await asyncio.wait((everybody, now), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        now.cancel()
        if everybody.done():
            everybody.result()
        everybody.cancel()
        await asyncio.gather(everybody, now, return_exceptions=True)


async def _watched(load: Measured, watch: Watch) -> None:
    while True:
        watch(load)
        await asyncio.sleep(WATCH_SECONDS)
