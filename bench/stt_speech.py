"""Utterances in classes of length, from real clips."""

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import soxr
from shared import audioeval_folder

RATE = 16_000
CLASSES = {"under 3 s": (0.0, 3.0), "3 to 6 s": (3.0, 6.0), "6 to 12 s": (6.0, 12.0)}
GAP_SECONDS = 0.25
_JOINT = " + "
COUNTED = ("counting", "conteo", "comptage", "ginti", "conteggio", "kazoeru", "liczenie", "contagem", "jishu")
"""Clips that count to ten, which may come as words or digits."""


@dataclass(frozen=True, eq=False)
class Speech:
    """An utterance."""

    name: str
    language: str
    text: str
    audio: npt.NDArray[np.float32]

    @property
    def seconds(self) -> float:
        """Its length."""
        return len(self.audio) / RATE

    @property
    def joined(self) -> bool:
        """Whether it was made of two recordings."""
        return _JOINT in self.name

    @property
    def scored(self) -> bool:
        """Whether its words can be compared with what is heard."""
        return not any(word in self.name for word in COUNTED)


def read_all(folder: Path) -> list[Speech]:
    """The clips of a folder with a manifest, those of pytest-audioeval, and neighbours of one language joined."""
    entries = json.loads((folder / "manifest.json").read_text())
    clips = [Speech(each["file"], each["language"], each["text"], _read(folder / each["file"])) for each in entries]
    for path in sorted(audioeval_folder().glob("*/*.wav")):
        text = path.with_suffix(".txt").read_text().strip()
        clips.append(Speech(f"{path.parent.name}/{path.stem}", path.parent.name, text, _read(path)))
    return [*clips, *_joined(clips)]


def by_class(speech: list[Speech]) -> dict[str, list[Speech]]:
    """Utterances by the class of their length."""
    return {name: [each for each in speech if least <= each.seconds < most] for name, (least, most) in CLASSES.items()}


def _read(path: Path) -> npt.NDArray[np.float32]:
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return np.asarray(soxr.resample(samples.mean(axis=1), rate, RATE), np.float32)


def _joined(clips: list[Speech]) -> Iterator[Speech]:
    gap = np.zeros(round(GAP_SECONDS * RATE), np.float32)
    for first, second in itertools.pairwise(clips):
        if first.language == second.language and 6 <= first.seconds + GAP_SECONDS + second.seconds < 12:
            audio = np.concatenate([first.audio, gap, second.audio])
            yield Speech(f"{first.name}{_JOINT}{second.name}", first.language, f"{first.text} {second.text}", audio)
