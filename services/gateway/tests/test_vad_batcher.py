"""VadBatcher: order, fairness, faults and closing; the model is real except where it must fail."""

import asyncio
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from speechpipe_gateway.vad import ChunkVote, Silero, VadBatcher, VadError, VadRule, VadState, model_path
from speechpipe_gateway.vad.batcher import MAX_BATCH
from speechpipe_gateway.vad.state import REPLAYED_CHUNKS

Floats = NDArray[np.float32]
Samples = NDArray[np.int16]


@pytest.fixture(scope="module")
def silero() -> Silero:
    """The real model."""
    return Silero(model_path())


class Poisoned:
    """The real model, which refuses any batch that holds a chunk of full-scale samples."""

    def __init__(self, silero: Silero) -> None:
        self._silero = silero

    def run(self, chunks: Floats, states: Floats) -> tuple[Floats, Floats]:
        """As the model, or VadError."""
        if (chunks[:, -1] < -0.99).any():
            raise VadError("poison")
        return self._silero.run(chunks, states)


class Stuck:
    """A model that answers when it is told to."""

    def __init__(self, release: Callable[[], None]) -> None:
        self._release = release
        self.batches: list[int] = []

    def run(self, chunks: Floats, states: Floats) -> tuple[Floats, Floats]:
        """Zeros, once released."""
        self.batches.append(len(chunks))
        self._release()
        return np.zeros(len(chunks), np.float32), states


class Counting:
    """The real model, which counts the chunks that it hears."""

    def __init__(self, silero: Silero) -> None:
        self._silero = silero
        self.heard = 0

    def run(self, chunks: Floats, states: Floats) -> tuple[Floats, Floats]:
        """As the model."""
        self.heard += len(chunks)
        return self._silero.run(chunks, states)


def ignore(seconds: float, size: int) -> None:
    """No metric."""


async def votes(batcher: VadBatcher, samples: Samples, pieces: int) -> list[ChunkVote]:
    """Votes on samples that arrive in pieces."""
    state, out = VadState(3), []
    for piece in np.array_split(samples, pieces):
        out += await batcher.analyse(state, piece)
    return out


async def test_many_sessions_hear_what_one_alone_hears(silero: Silero, clips: dict[str, Samples]) -> None:
    """Twenty-seven sessions at once, with audio in pieces of odd sizes, get the votes that each gets alone."""
    async with VadBatcher(silero, ignore) as batcher:
        alone = [await votes(batcher, clip, 1) for clip in clips.values()]
        sizes = range(37, 37 + len(clips))
        together = await asyncio.gather(*map(votes, [batcher] * len(clips), clips.values(), sizes))
    for one, other, clip in zip(alone, together, clips.values(), strict=True):
        assert len(one) == len(other) == len(clip) // 512
        assert [vote.webrtc for vote in one] == [vote.webrtc for vote in other]
        assert np.allclose([vote.silero for vote in one], [vote.silero for vote in other], atol=1e-3)


async def test_silence_never_reaches_silero(silero: Silero, clips: dict[str, Samples]) -> None:
    """Sessions in which nobody speaks cost no call of the model; those beside them are heard as ever."""
    model = Counting(silero)
    speech = clips["en/quick_brown_fox"]
    async with VadBatcher(model, ignore) as batcher:
        alone = await batcher.analyse(VadState(3), speech)
        assert model.heard == len(alone)
        silent, speaking = VadState(3), VadState(3)
        silent.listening = False
        spared, beside = await asyncio.gather(
            batcher.analyse(silent, np.zeros(512 * 500, np.int16)), batcher.analyse(speaking, speech)
        )
    assert model.heard == 2 * len(alone)
    assert spared == [ChunkVote(False, 0.0)] * 500
    assert np.allclose([vote.silero for vote in alone], [vote.silero for vote in beside], atol=1e-3)


async def test_what_comes_before_speech_is_heard_with_it(silero: Silero, clips: dict[str, Samples]) -> None:
    """Silero hears a quarter of a second again, and then everything that came in the same message."""
    model = Counting(silero)
    speech = clips["en/quick_brown_fox"][: 512 * 40]
    async with VadBatcher(model, ignore) as batcher:
        state = VadState(3)
        state.listening = False
        await batcher.analyse(state, np.zeros(512 * 100, np.int16))
        assert model.heard == 0
        votes = await batcher.analyse(state, speech)
        first = [vote.webrtc for vote in votes].index(True)
    assert model.heard == REPLAYED_CHUNKS + len(votes) - first
    assert [vote.silero for vote in votes[:first]] == [0.0] * first
    assert max(vote.silero for vote in votes) > 0.9


async def test_sessions_share_a_call_and_take_turns(silero: Silero) -> None:
    """Sessions with one chunk do not wait for a session with a hundred, and a call holds at most MAX_BATCH chunks."""
    sizes: list[int] = []
    async with VadBatcher(silero, lambda seconds, size: sizes.append(size)) as batcher:
        greedy = batcher.analyse(VadState(3), np.zeros(512 * 100, np.int16))
        others = [batcher.analyse(VadState(3), np.zeros(512, np.int16)) for _ in range(MAX_BATCH + 20)]
        await asyncio.gather(*others)
        assert not greedy.done()
        assert len(await greedy) == 100
    assert max(sizes) == MAX_BATCH
    assert sum(sizes) == 100 + MAX_BATCH + 20


async def test_one_bad_session_spoils_no_other(silero: Silero) -> None:
    """When a batch fails, only the session that makes it fail gets the error; the others get their votes."""
    poison = np.full(512, -32_768, np.int16)
    async with VadBatcher(Poisoned(silero), ignore) as batcher:
        calls = [batcher.analyse(VadState(3), samples) for samples in (np.zeros(1_024, np.int16), poison, poison[:511])]
        good, bad, short = await asyncio.gather(*calls, return_exceptions=True)
        assert isinstance(bad, VadError)
        assert isinstance(good, list)
        assert len(good) == 2
        assert short == []
        assert len(await batcher.analyse(VadState(3), np.zeros(512, np.int16))) == 1


async def test_an_answer_that_is_no_probability_is_an_error() -> None:
    """NaN from the model ends that session instead of being silence for ever."""

    class Broken:
        def run(self, chunks: Floats, states: Floats) -> tuple[Floats, Floats]:
            return np.array([np.nan, 0.25], np.float32), states

    async with VadBatcher(Broken(), ignore) as batcher:
        calls = [batcher.analyse(VadState(3), np.zeros(512, np.int16)) for _ in range(2)]
        bad, good = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(bad, VadError)
    assert good == [ChunkVote(webrtc=False, silero=0.25)]


async def test_a_closed_session_leaves_the_queue() -> None:
    """A cancelled call's chunks are not analysed, and the others' are."""
    loop, held = asyncio.get_running_loop(), asyncio.Event()
    gate = asyncio.Event()

    def release() -> None:
        loop.call_soon_threadsafe(held.set)
        asyncio.run_coroutine_threadsafe(gate.wait(), loop).result(30)

    model = Stuck(release)
    async with VadBatcher(model, ignore) as batcher:
        first = batcher.analyse(VadState(3), np.zeros(512, np.int16))
        await held.wait()
        closed = batcher.analyse(VadState(3), np.zeros(512 * 50, np.int16))
        other = batcher.analyse(VadState(3), np.zeros(512, np.int16))
        await asyncio.sleep(0)
        assert batcher.waiting == 52
        closed.cancel()
        await asyncio.wait([closed])
        gate.set()
        assert len(await first) == len(await other) == 1
        assert batcher.waiting == 0
    assert model.batches == [1, 1]


async def test_two_calls_for_one_session_are_refused(silero: Silero) -> None:
    """A session that asks again before its answer is a mistake of the caller, said at once."""
    async with VadBatcher(silero, ignore) as batcher:
        state = VadState(3)
        first = batcher.analyse(state, np.zeros(512 * 20, np.int16))
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="has not returned"):
            await batcher.analyse(state, np.zeros(512, np.int16))
        assert len(await first) == 20


async def test_stopping_answers_those_who_wait(silero: Silero) -> None:
    """Nobody hangs when the batcher stops: calls in the queue and later ones get a VadError."""
    async with VadBatcher(silero, ignore) as batcher:
        waiting = batcher.analyse(VadState(3), np.zeros(512 * 1_000, np.int16))
        await asyncio.sleep(0)
    with pytest.raises(VadError, match="stopped"):
        await waiting
    with pytest.raises(VadError, match="not running"):
        await batcher.analyse(VadState(3), np.zeros(512, np.int16))


@pytest.mark.parametrize(
    ("webrtc", "silero_says", "active", "speech"),
    [
        (True, 0.31, False, True),
        (False, 0.99, False, False),
        (True, 0.29, False, False),
        (False, 0.16, True, True),
        (True, 0.14, True, False),
    ],
)
def test_beginning_needs_both_and_lasting_needs_silero(
    webrtc: bool, silero_says: float, active: bool, speech: bool
) -> None:
    """Speech begins when both detectors agree, and ends when Silero falls below the lower threshold."""
    assert VadRule.of_sensitivity(0.7).agree(ChunkVote(webrtc, silero_says), active) is speech


@given(st.floats(0, 0.999), st.booleans(), st.floats(0, 1))
def test_what_begins_speech_also_keeps_it_up(sensitivity: float, webrtc: bool, probability: float) -> None:
    """At any sensitivity, a chunk that would begin speech never ends it, and a zero probability always does."""
    rule = VadRule.of_sensitivity(sensitivity)
    vote = ChunkVote(webrtc, probability)
    assert rule.agree(vote, True) or not rule.agree(vote, False)
    assert not rule.agree(ChunkVote(True, 0.0), True)
