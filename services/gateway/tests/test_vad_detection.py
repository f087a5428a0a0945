"""Voice activity on real speech and on what is none."""

import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio
from numpy.typing import NDArray

from speechpipe_gateway.vad import CHUNK_SAMPLES, Silero, VadBatcher, VadError, VadRule, VadState, model_path

RATE = 16_000
CHUNK_SECONDS = CHUNK_SAMPLES / RATE
PAUSE = 1.5
RULE = VadRule.of_sensitivity(0.7)
SILENCE_CHUNKS = 25
"""That end a turn."""

Samples = NDArray[np.int16]
Finder = Callable[[VadBatcher, Samples], Awaitable[NDArray[np.bool_]]]


@pytest_asyncio.fixture
async def batcher() -> AsyncIterator[VadBatcher]:
    """A running batcher with the real model."""
    async with VadBatcher(Silero(model_path()), lambda seconds, size: None) as running:
        yield running


async def speech_chunks(batcher: VadBatcher, samples: Samples) -> NDArray[np.bool_]:
    """The rule applied along a whole recording."""
    active, marks = False, []
    for vote in await batcher.analyse(VadState(3), samples):
        active = RULE.agree(vote, active)
        marks.append(active)
    return np.array(marks)


async def spared_chunks(batcher: VadBatcher, samples: Samples) -> NDArray[np.bool_]:
    """The same as a session does it: in messages of 100 ms, and Silero listens to everything only in turns."""
    state, active, marks, quiet = VadState(3), False, [], SILENCE_CHUNKS
    for at in range(0, len(samples), RATE // 10):
        state.listening = quiet < SILENCE_CHUNKS
        for vote in await batcher.analyse(state, samples[at : at + RATE // 10]):
            active = RULE.agree(vote, active)
            quiet = 0 if active else quiet + 1
            marks.append(active)
    return np.array(marks)


def place(clip: Samples, decibels: float, noise_ratio: float | None) -> Samples:
    """The clip between two pauses, at another level, in white noise so many dB below the voice."""
    voice = np.pad(clip.astype(np.float64), round(PAUSE * RATE))
    if noise_ratio is not None:
        voice += np.random.default_rng(1).normal(0, clip.std() * 10 ** (-noise_ratio / 20), len(voice))
    return np.clip(voice * 10 ** (decibels / 20), -32_768, 32_767).astype(np.int16)


def extent(clip: Samples) -> tuple[float, float]:
    """Seconds at which the first and last 10 ms within 30 dB of the loudest begin and end."""
    frames = clip[: len(clip) // 160 * 160].astype(np.float64).reshape(-1, 160)
    power = (frames**2).mean(axis=1)
    loud = np.flatnonzero(power > power.max() / 1_000)
    return float(loud[0]) / 100, float(loud[-1] + 1) / 100


@pytest.mark.parametrize("find", [speech_chunks, spared_chunks], ids=["all", "spared"])
@pytest.mark.parametrize(("decibels", "noise_ratio"), [(0, None), (0, 10), (-20, 20), (-35, None), (-35, 20)])
async def test_first_and_last_words_are_inside(
    batcher: VadBatcher, clips: dict[str, Samples], find: Finder, decibels: float, noise_ratio: float | None
) -> None:
    """In 27 clips of nine languages, loud, quiet and noisy, no voice lies before the pre-speech buffer of 1 s or more
    than 0.3 s after the last speech chunk.
    """
    for name, clip in clips.items():
        marks = np.flatnonzero(await find(batcher, place(clip, decibels, noise_ratio)))
        assert len(marks), name
        begin, end = extent(clip)
        assert marks[0] * CHUNK_SECONDS - 1.0 < PAUSE + begin, name
        assert PAUSE + end < (marks[-1] + 1) * CHUNK_SECONDS + 0.3, name


@pytest.mark.parametrize("decibels", [0, -20, -35])
async def test_the_end_of_speech_is_found_with_the_last_loud_chunk(
    batcher: VadBatcher, clips: dict[str, Samples], decibels: float
) -> None:
    """Silero mostly goes on for two chunks and more behind a voice that has ended; by then it is faint."""
    heard, loud = [], []
    for clip in clips.values():
        votes = await batcher.analyse(VadState(3), place(clip, decibels, None))
        end = PAUSE + extent(clip)[1]
        held = np.array([RULE.agree(vote, True) for vote in votes])
        faint = np.array([vote.faint for vote in votes])
        heard.append((np.flatnonzero(held)[-1] + 1) * CHUNK_SECONDS - end)
        loud.append((np.flatnonzero(held & ~faint)[-1] + 1) * CHUNK_SECONDS - end)
    assert float(np.median(heard)) > 2 * CHUNK_SECONDS
    assert float(np.median(loud)) < 1.5 * CHUNK_SECONDS


@pytest.mark.parametrize("decibels", [0, -20])
async def test_speech_begins_where_it_would_if_silero_heard_everything(
    batcher: VadBatcher, clips: dict[str, Samples], decibels: float
) -> None:
    """What it was spared before somebody speaks makes no difference of more than a chunk."""
    for name, clip in clips.items():
        samples = place(clip, decibels, None)
        whole, spared = await speech_chunks(batcher, samples), await spared_chunks(batcher, samples)
        assert abs(int(np.argmax(whole)) - int(np.argmax(spared))) <= 1, name


@pytest.mark.parametrize("find", [speech_chunks, spared_chunks], ids=["all", "spared"])
@pytest.mark.parametrize("name", ["en/quick_brown_fox", "es/hola_mundo", "zh/pangrama"])
async def test_speech_is_found_from_the_first_sample(
    batcher: VadBatcher, clips: dict[str, Samples], find: Finder, name: str
) -> None:
    """A client that speaks at once, without any silence to learn the noise from, is heard within 0.3 s."""
    begin, _ = extent(clips[name])
    marks = await find(batcher, clips[name][round(begin * RATE) :])
    assert np.flatnonzero(marks)[0] * CHUNK_SECONDS < 0.3


def not_speech() -> dict[str, Samples]:
    """Twenty seconds each of what must not become text."""
    rng, time = np.random.default_rng(2), np.arange(20 * RATE) / RATE
    sounds = {"silence": np.zeros(len(time)), "tone": 0.3 * np.sin(2 * np.pi * 440 * time)}
    for level in (-60, -40, -20, -10, -3):
        sounds[f"white noise at {level} dBFS"] = rng.normal(0, 10 ** (level / 20), len(time))
    for mains in (50, 60):
        harmonics = np.sum([np.sin(2 * np.pi * mains * n * time) / n for n in range(1, 8)], axis=0)
        sounds[f"{mains} Hz hum at -40 dBFS"] = 0.01 * harmonics
    clicks = np.zeros(len(time))
    clicks[::8_000] = 0.9
    sounds["clicks"] = clicks
    return {name: (np.clip(sound, -1, 1) * 32_767).astype(np.int16) for name, sound in sounds.items()}


@pytest.mark.parametrize("find", [speech_chunks, spared_chunks], ids=["all", "spared"])
@pytest.mark.parametrize(("name", "sound"), not_speech().items(), ids=not_speech())
async def test_what_is_no_speech_is_not_taken_for_it(
    batcher: VadBatcher, find: Finder, name: str, sound: Samples
) -> None:
    """Silence, noise from a whisper to a roar, mains hum, a tone and clicks make not one chunk of speech."""
    assert not (await find(batcher, sound)).any(), name


async def test_loud_hum_is_shorter_than_a_word(batcher: VadBatcher) -> None:
    """Hum at -12 dBFS fools both detectors as it sets in, for less than 0.35 s: the minimum speech length drops it."""
    time = np.arange(20 * RATE) / RATE
    hum = 0.25 * sum(np.sin(2 * np.pi * 60 * n * time) / n for n in range(1, 8))
    marks = await speech_chunks(batcher, (np.clip(hum, -1, 1) * 32_767).astype(np.int16))
    assert marks.sum() * CHUNK_SECONDS < 0.35


def test_torch_is_not_loaded() -> None:
    """Finding and loading the model imports neither silero_vad nor torch."""
    Silero(model_path())
    assert "silero_vad" not in sys.modules
    assert "torch" not in sys.modules


def test_another_model_is_refused(tmp_path: Path) -> None:
    """A model file with another SHA-256 is not loaded, and the message says what to install."""
    path = tmp_path / "silero_vad.onnx"
    path.write_bytes(model_path().read_bytes()[:-1])
    with pytest.raises(VadError, match=r"SHA-256 .* pip install"):
        Silero(path)


def test_a_missing_model_is_named(tmp_path: Path) -> None:
    """A missing model file is an error that names it."""
    with pytest.raises(VadError, match="nowhere"):
        Silero(tmp_path / "nowhere.onnx")
