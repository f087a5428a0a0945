"""The clips that the demo plays: people reading, with transcripts, from the package pytest-audioeval."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import soundfile

from speechpipe_client.audio import speech_bounds, to_int16


@dataclass(frozen=True, slots=True)
class Choice:
    """A clip by its place in the package.

    ``bound`` is the error rate above which the demo fails. Whisper base itself is at 0 on these clips, but for the
    tongue-twisters fr/pangrama (0.33), es/pangrama (0.44 to 0.56) and it/pangrama (0.14).
    """

    name: str
    language: str
    bound: float
    wish: str | None
    """Language to translate into where a translator has the pair."""


CHOICES: Final = (
    Choice("quick_brown_fox", "en", 0.15, "es"),
    Choice("pangrama", "pt", 0.25, "es"),
    Choice("pangrama", "es", 0.7, "en"),
    Choice("pangrama", "fr", 0.5, "es"),
    Choice("counting", "en", 0.2, None),
    Choice("pangrama", "it", 0.3, "es"),
    Choice("conteo", "es", 0.2, None),
    Choice("bonjour_monde", "fr", 0.0, "es"),
    Choice("konnichiwa_sekai", "ja", 0.15, None),
    Choice("hello_world", "en", 0.0, "es"),
)


@dataclass(frozen=True, slots=True)
class Clip:
    """A clip, read. ``samples`` is mono int16; speech ends before sample ``speech_end``."""

    name: str
    language: str
    target: str | None
    bound: float
    transcript: str
    samples: npt.NDArray[np.int16]
    sample_rate: int
    speech_end: int


def load(folder: Path, pairs: Collection[tuple[str, str]]) -> list[Clip]:
    """The chosen clips below ``folder``, with a target language where ``pairs`` has (source, target)."""
    return [_load(folder, choice, pairs) for choice in CHOICES]


def find(name: str) -> Choice:
    """The choice called ``language/name``.

    Raises:
        ValueError: there is none; the message names them all.
    """
    by_name = {f"{choice.language}/{choice.name}": choice for choice in CHOICES}
    if name not in by_name:
        raise ValueError(f"no clip {name!r}; there are {', '.join(by_name)}")
    return by_name[name]


def load_one(folder: Path, choice: Choice, target: str | None) -> Clip:
    """One clip below ``folder``, to be translated into ``target`` where that is given."""
    wished = replace(choice, wish=target)
    return _load(folder, wished, {(choice.language, target)} if target else ())


def _load(folder: Path, choice: Choice, pairs: Collection[tuple[str, str]]) -> Clip:
    wav = folder / choice.language / f"{choice.name}.wav"
    read, rate = soundfile.read(str(wav), dtype="float32")
    samples = to_int16(read)
    target = choice.wish if choice.wish is not None and (choice.language, choice.wish) in pairs else None
    return Clip(
        name=f"{choice.language}/{choice.name}",
        language=choice.language,
        target=target,
        bound=choice.bound,
        transcript=wav.with_suffix(".txt").read_text(encoding="utf-8").strip(),
        samples=samples,
        sample_rate=rate,
        speech_end=speech_end(samples, rate),
    )


def speech_end(samples: npt.NDArray[np.int16], rate: int) -> int:
    """Sample after which there is no more speech."""
    return speech_bounds(samples, rate)[1]
