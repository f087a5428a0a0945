"""Plays one clip to a gateway as a microphone would, and times what comes back."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Final

from speechpipe_client.audio import BLOCK_SECONDS, Pace, paced
from speechpipe_client.connecting import connect
from speechpipe_client.demo.clips import Clip
from speechpipe_client.demo.verdict import Heard
from speechpipe_client.errors import SpeechpipeError
from speechpipe_client.inbox import Event
from speechpipe_client.options import SessionOptions
from speechpipe_client.streaming import converse
from speechpipe_client.transcript import Transcript
from speechpipe_common.wire import FinalCaption

_SILENCE_SECONDS: Final = 15.0
"""Silence played after a clip for as long as its last final is missing."""

_CLIP_SECONDS: Final = 60.0
"""A clip that takes longer has failed."""

_EDGE_SECONDS: Final = 0.5
"""A final reaches the end of speech when it ends no more than this before it."""

Watch = Callable[[Clip, Event], None]


@dataclass(frozen=True, slots=True)
class Played:
    """A clip's outcome. ``latency`` is seconds from when its last speech sample was sent to its last final."""

    clip: Clip
    heard: Heard
    latency: float | None


class _Player:
    def __init__(self, clip: Clip, watch: Watch) -> None:
        self.transcript = Transcript()
        self.latency: float | None = None
        self._clip = clip
        self._watch = watch
        self._spoken_at: float | None = None
        self._complete = asyncio.Event()
        self._clock = asyncio.get_running_loop().time

    def on_event(self, event: Event) -> None:
        self.transcript.add(event)
        if isinstance(event, FinalCaption) and event.text.strip():
            if self._spoken_at is not None:
                self.latency = self._clock() - self._spoken_at
            if event.end >= self._clip.speech_end / self._clip.sample_rate - _EDGE_SECONDS:
                self._complete.set()
        self._watch(self._clip, event)

    async def audio(self) -> AsyncIterator[bytes]:
        """The clip, then silence until the final of its end is there."""
        clip, per_second = self._clip, self._clip.sample_rate * 2
        spoken = clip.samples[: clip.speech_end].astype("<i2").tobytes()
        rest = clip.samples[clip.speech_end :].astype("<i2").tobytes()
        silence = bytes(round(_SILENCE_SECONDS * clip.sample_rate) * 2)
        sent = 0
        blocks = [*_split(spoken, per_second), *_split(rest + silence, per_second)]
        async for block in paced(blocks, Pace.REALTIME, per_second):
            if self._complete.is_set():
                return
            yield block
            sent += len(block)
            if sent >= len(spoken) and self._spoken_at is None:
                self._spoken_at = self._clock()


def _split(pcm: bytes, per_second: int) -> Iterator[bytes]:
    size = round(per_second * BLOCK_SECONDS / 2) * 2
    for begin in range(0, len(pcm), size):
        yield pcm[begin : begin + size]


async def play(clip: Clip, url: str, api_key: str | None, watch: Watch, seconds: float = _CLIP_SECONDS) -> Played:
    """Stream one clip in a session of its own; what goes wrong, or takes longer than ``seconds``, is the outcome's."""
    options = SessionOptions(
        sample_rate=clip.sample_rate, source=clip.language, targets=(clip.target,) if clip.target else ()
    )
    player = _Player(clip, watch)
    faults: list[str] = []
    try:
        async with asyncio.timeout(seconds), connect(url, options, api_key=api_key) as session:
            await converse(session, player.audio(), player.on_event)
    except TimeoutError:
        faults.append(f"not finished after {seconds:.0f} s")
    except SpeechpipeError as error:
        faults.append(f"{type(error).__name__}: {error}")
    return Played(clip, _heard(clip, player.transcript, faults), player.latency)


def _heard(clip: Clip, transcript: Transcript, faults: list[str]) -> Heard:
    segments = transcript.segments
    faults += [f"{problem.code}: {problem.message}" for problem in transcript.problems]
    return Heard(
        finals=tuple(segment.caption.text.strip() for segment in segments),
        translations=tuple(
            segment.translations[clip.target].strip() for segment in segments if clip.target in segment.translations
        )
        if clip.target
        else (),
        problems=tuple(faults),
    )
