"""What the clients say: short clips of people, with what they said."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from speechpipe_client.audio import to_int16
from speechpipe_common.downloads import ASSETS, fetch

Samples = npt.NDArray[np.int16]

RECORDINGS = ("LJ001-0002.wav", "LJ001-0008.wav", "austen-0880.wav")
"""Those of the folder of recordings that are short."""


@dataclass(frozen=True, eq=False)
class Clip:
    """A recording: mono int16 of shape (n,) at ``rate`` Hz, and its words."""

    name: str
    text: str
    rate: int
    samples: Samples

    @property
    def seconds(self) -> float:
        """Length."""
        return len(self.samples) / self.rate


def clips() -> dict[int, list[Clip]]:
    """English clips of one to three seconds, by sample rate; 16 kHz and, where SPEECH_DIR has them, 22.05 kHz."""
    found = [recording(path, path.with_suffix(".txt").read_text().strip()) for path in _samples()]
    folder = Path(os.environ.get("SPEECH_DIR", Path(__file__).parents[3] / "shared" / "speech"))
    if (folder / "manifest.json").is_file():
        entries = json.loads((folder / "manifest.json").read_text())
        found += [recording(folder / e["file"], e["text"]) for e in entries if e["file"] in RECORDINGS]
    by_rate: dict[int, list[Clip]] = {}
    for clip in found:
        by_rate.setdefault(clip.rate, []).append(clip)
    return by_rate


def _samples() -> Iterator[Path]:
    folder = fetch(ASSETS["audioeval"]) / "en"
    yield from (folder / f"{name}.wav" for name in ("quick_brown_fox", "hello_world"))


def recording(path: Path, text: str) -> Clip:
    """A file of any sample rate, mixed down to mono, in which ``text`` is said."""
    samples, rate = soundfile.read(str(path), dtype="float32", always_2d=True)
    return Clip(path.stem, text, rate, to_int16(samples.mean(axis=1)))


def breathless(library: list[Clip], times: int = 3) -> Clip:
    """All of them again and again without a pause: there is time for partials however slow the machine is."""
    some = library * times
    samples = np.concatenate([clip.samples for clip in some])
    return Clip("breathless", " ".join(clip.text for clip in some), some[0].rate, samples)


def endless(library: list[Clip], first: int) -> Iterator[Clip]:
    """The clips round and round, beginning with number ``first``."""
    return cycle(library[first % len(library) :] + library[: first % len(library)])
