"""Reads audio files as PCM blocks and hands them out at the pace that was asked for."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import ClassVar, Final, Literal

import numpy as np
import numpy.typing as npt
import soundfile

from speechpipe_client.errors import SpeechpipeError
from speechpipe_client.options import RawFormat

BLOCK_SECONDS: Final = 0.1

_SAMPLE_BYTES: Final = 2

_WINDOW_SECONDS: Final = 0.02
_SPEECH_FLOOR: Final = 0.02
"""RMS of a 20 ms window, as a share of the loudest one's (-34 dB), above which it counts as speech."""


class Pace(StrEnum):
    """How fast audio is sent."""

    REALTIME = "realtime"
    FAST = "fast"


class AudioError(SpeechpipeError):
    """A file cannot be read as audio."""


@dataclass(frozen=True, slots=True)
class AudioFile:
    """An audio file, looked at but not read yet: what ``connect(audio=...)`` sends."""

    path: Path
    sample_rate: int
    channels: int
    frames: int
    pace: Pace = Pace.FAST
    """How fast a session that is given the file sends it."""

    format: ClassVar[RawFormat] = "s16"
    live: ClassVar[bool] = False

    @property
    def seconds(self) -> float:
        """Length."""
        return self.frames / self.sample_rate

    @property
    def bytes_per_second(self) -> int:
        """Of what ``blocks`` gives."""
        return self.sample_rate * self.channels * _SAMPLE_BYTES

    @classmethod
    def open(cls, path: str | os.PathLike[str], pace: Pace | Literal["realtime", "fast"] = Pace.FAST) -> "AudioFile":
        """Look at a file's header.

        Args:
            path: WAV, FLAC, MP3, Ogg, or another format that libsndfile reads; any rate and channels.
            pace: how fast a session that is given the file sends it.

        Raises:
            AudioError: missing, unreadable, of a format that libsndfile does not know, or empty.
        """
        path = Path(path)
        try:
            info = soundfile.info(str(path))
        except (OSError, soundfile.SoundFileError) as error:
            if not path.exists():
                raise AudioError(f"{path}: there is no such file") from error
            raise AudioError(f"{path}: not audio that can be read (WAV, FLAC, MP3 and Ogg can be): {error}") from error
        if info.frames == 0:
            raise AudioError(f"{path}: holds no audio")
        return cls(path, info.samplerate, info.channels, info.frames, Pace(pace))

    def __aiter__(self) -> AsyncIterator[bytes]:
        """What ``blocks`` gives, at the file's pace."""
        return paced(self.blocks(), self.pace, self.bytes_per_second)

    def blocks(self) -> Iterator[bytes]:
        """PCM16LE blocks of 100 ms, channels interleaved.

        Raises:
            AudioError: the file ends in the middle, or is damaged.
        """
        size = max(1, round(self.sample_rate * BLOCK_SECONDS))
        try:
            with _Sequential(str(self.path)) as file:
                while len(block := file.read(size, dtype="float32", always_2d=True)):
                    yield to_int16(block).astype("<i2").tobytes()
        except (OSError, soundfile.SoundFileError) as error:
            raise AudioError(f"{self.path}: cannot be read to its end: {error}") from error


class _Sequential(soundfile.SoundFile):  # type: ignore[misc]  # the package has no types
    """Reads from beginning to end without seeking.

    soundfile seeks to where it is after each read of a seekable file, and an MP3 decoder that seeks loses what earlier
    frames left for later ones: block by block, speech would come out as noise.
    """

    def seekable(self) -> bool:
        """Said to be not, which is what turns the seeking off."""
        return False


def to_int16(samples: npt.NDArray[np.float32]) -> npt.NDArray[np.int16]:
    """Samples in [-1, 1] as 16-bit integers, clipped; what was 16-bit before comes out unchanged.

    libsndfile's own conversion does not scale files that hold floats: speech would come out as silence.
    """
    return np.clip(np.rint(samples * 32_768), -32_768, 32_767).astype(np.int16)


def speech_bounds(samples: npt.NDArray[np.int16], rate: int) -> tuple[int, int]:
    """First sample of the first 20 ms window that is loud enough to be speech, and the one after the last such window.

    All of it where nothing is.
    """
    size = round(rate * _WINDOW_SECONDS)
    windows = samples[: len(samples) // size * size].reshape(-1, size).astype(np.float64)
    loudness = np.sqrt(np.mean(windows**2, axis=1))
    loud = np.flatnonzero(loudness > _SPEECH_FLOOR * loudness.max(initial=0.0))
    return (int(loud[0] * size), int((loud[-1] + 1) * size)) if loud.size else (0, len(samples))


async def paced(blocks: Iterable[bytes], pace: Pace, bytes_per_second: float) -> AsyncIterator[bytes]:
    """The same blocks, each when a microphone would have recorded its last sample; at once with ``Pace.FAST``.

    Times are counted from the first block, so that lateness does not add up.
    """
    clock = asyncio.get_running_loop().time
    due = clock()
    for block in blocks:
        due += len(block) / bytes_per_second
        if pace is Pace.REALTIME:
            await asyncio.sleep(due - clock())
        yield block
