"""What the benches have in common: a pipeline of their own, the clips, and where results go."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import jiwer
import soundfile

from speechpipe_client.audio import to_int16
from speechpipe_client.demo.clips import Clip, speech_end
from speechpipe_client.demo.scoring import normalise
from speechpipe_common.downloads import ASSETS, fetch
from speechpipe_operator.components import Plan
from speechpipe_operator.local import LocalOptions, LocalPipeline
from speechpipe_operator.plan import make_plan
from speechpipe_operator.spec import API_VERSION, KIND, SpeechPipeline


class QuietLog:
    """Keeps a pipeline's log in a file."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8")

    def line(self, source: str, text: str) -> None:
        """Write one line."""
        self._file.write(f"{source} | {text}\n")
        self._file.flush()


Device = Literal["cpu", "cuda"]
COMPUTE_TYPES: dict[Device, str] = {"cpu": "int8", "cuda": "float16"}


def plan(sessions: int, model: str, device: Device = "cpu") -> Plan:
    """Valkey, a gateway that takes ``sessions`` sessions, an STT worker; no translation."""
    limits = {"sessions": sessions, "sessionsPerKey": sessions}
    spec = {
        "redis": {"managed": {"persistence": "none"}},
        "gateway": {"auth": {"mode": "none"}, "limits": limits},
        "stt": {"model": model, "device": device, "computeType": COMPUTE_TYPES[device]},
    }
    document = {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": "bench"}, "spec": spec}
    return make_plan(SpeechPipeline.model_validate(document))


@asynccontextmanager
async def pipeline(
    log: Path, sessions: int = 10, model: str = "base", device: Device = "cpu"
) -> AsyncIterator[LocalPipeline]:
    """Run ``plan`` on free ports, and keep nothing but its log."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="speechpipe-bench-") as folder:
        options = LocalOptions(data_dir=Path(folder), any_port=True)
        async with LocalPipeline(plan(sessions, model, device), options, QuietLog(log)) as running:
            yield running


def audioeval_folder() -> Path:
    """The package's clips, fetched into the cache when they are not there."""
    return fetch(ASSETS["audioeval"])


def clip(path: Path, transcript: str, language: str = "en") -> Clip:
    """One mono recording with its transcript; no bound, no translation."""
    read, rate = soundfile.read(str(path), dtype="float32")
    if read.ndim != 1:
        raise ValueError(f"{path} has {read.shape[1]} channels; the benches read mono")
    samples = to_int16(read)
    return Clip(path.stem, language, None, 1.0, transcript, samples, rate, speech_end(samples, rate))


def corpus_rate(references: list[str], heard: list[str], language: str = "en") -> float:
    """Word error rate over all clips together: errors of all, divided by words of all."""
    joined = [" ".join(normalise(text, language)) for text in (*references, *heard)]
    return float(jiwer.wer(joined[: len(references)], joined[len(references) :]))


def say(text: str) -> None:
    """One line of a bench's report."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
