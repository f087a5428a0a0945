"""Reads what streams say: a folder with a manifest, with transcripts beside the audio, or with audio alone."""

import json
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from speechpipe_client.audio import AudioError, speech_bounds, to_int16
from speechpipe_client.load.talker import RATE, Clip, Framing
from speechpipe_common.languages import UnknownLanguage, resolve

SUFFIXES: Final = frozenset({".wav", ".flac", ".ogg", ".mp3"})
LONGEST_SECONDS: Final = 60.0
"""A longer file is cut here: all clips are held in memory, and a stream should say more than one thing."""

Samples = npt.NDArray[np.int16]


class NoClips(AudioError):
    """A folder holds nothing that streams could say."""


@dataclass(frozen=True, slots=True)
class Listed:
    """An audio file, and what is known of it; ``language`` and ``text`` may be empty."""

    path: Path
    language: str
    text: str


def read_folder(folder: Path, framing: Framing, languages: Collection[str], say: Callable[[str], None]) -> list[Clip]:
    """The clips of a folder in any of ``languages`` (none: all); one of unknown language is of the first.

    Raises:
        AudioError: no such folder, a manifest or a file that can't be read, or nothing in these languages.
    """
    if not folder.is_dir():
        raise NoClips(f"{folder}: there is no such folder; name one with audio files, or leave --speech out")
    listed = list(_manifest(folder) if (folder / "manifest.json").exists() else _files(folder))
    if not listed:
        raise NoClips(f"{folder}: holds no audio ({', '.join(sorted(SUFFIXES))}) and no manifest.json")
    wanted = [each for each in listed if not languages or not each.language or each.language in languages]
    if not wanted:
        there = ", ".join(sorted({each.language for each in listed}))
        raise NoClips(f"{folder}: nothing in {', '.join(languages)}; there is {there}: choose with --language")
    fallback = next(iter(languages), "auto")
    return [_read(each, each.language or fallback, framing, say) for each in wanted]


def make_clip(name: str, language: str, text: str, samples: Samples, framing: Framing) -> Clip:
    """A clip of mono samples at ``RATE``."""
    onset, end = speech_bounds(samples, RATE)
    return Clip(name, language, text, framing.cut(samples.astype("<i2").tobytes()), onset / RATE, end / RATE)


def _manifest(folder: Path) -> Iterator[Listed]:
    path = folder / "manifest.json"
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        for entry in entries:
            yield Listed(folder / entry["file"], _language(entry.get("language", "")), entry.get("text", ""))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        wanted = 'a list of {"file": …, "text": …, "language": …}, of which only file is needed'
        raise AudioError(f"{path}: can't be used as a manifest ({error}); it should be {wanted}") from error


def _files(folder: Path) -> Iterator[Listed]:
    """Audio below the folder; ``clip.txt`` beside ``clip.wav`` is its text, a folder named for a language its own."""
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in SUFFIXES:
            beside = path.with_suffix(".txt")
            text = beside.read_text(encoding="utf-8").strip() if beside.exists() else ""
            yield Listed(path, _language(path.parent.name) if path.parent != folder else "", text)


def _language(name: str) -> str:
    try:
        return resolve(name).code if name else ""
    except UnknownLanguage:
        return ""


def _read(listed: Listed, language: str, framing: Framing, say: Callable[[str], None]) -> Clip:
    try:
        with soundfile.SoundFile(str(listed.path)) as file:
            rate = file.samplerate
            read = file.read(round(LONGEST_SECONDS * rate), dtype="float32", always_2d=True)
            longer = file.frames > len(read)
    except (OSError, soundfile.SoundFileError) as error:
        missing = "" if listed.path.exists() else " (the manifest names it)"
        raise AudioError(f"{listed.path}: can't be read as audio{missing}: {error}") from error
    if not len(read):
        raise AudioError(f"{listed.path}: holds no audio")
    if longer:
        say(f"{listed.path.name}: only its first {LONGEST_SECONDS:.0f} s are played, and no word error rate is told")
    mono = np.asarray(soxr.resample(read.mean(axis=1), rate, RATE), np.float32)
    return make_clip(listed.path.stem, language, "" if longer else listed.text, to_int16(mono), framing)
