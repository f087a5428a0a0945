"""What translation_speed.py runs in the environment of EasyNMT: rounds of both engines over one model; JSON at the end.

The model is made here: a tiny one that learns the sentences by heart, or an untrained one of the size of OPUS-MT,
whose texts mean nothing and are all as long as allowed.
"""

import argparse
import hashlib
import itertools
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final

import torch

from speechpipe_common.downloads import cache_root
from speechpipe_translate.engines.base import Model, Outcome
from speechpipe_translate.engines.opening import open_engine
from speechpipe_translate.routes import Pair
from speechpipe_translate.settings import TranslateSettings

sys.path.insert(0, str(Path(__file__).parents[1] / "services" / "translate" / "tests_easynmt"))

from tiny_model import PAIRS, Shape, convert_model, make_model  # type: ignore[import-not-found] # by sys.path

LEARNED: Final = 0.05
"""Loss below which a model knows its sentences."""

LEARNER: Final = Shape(steps=500)
"""Tiny, and taught long enough."""

OPUS_MT: Final = Shape(width=512, layers=6, inner=2048, heads=8, vocabulary=58_101, steps=0)
"""As Helsinki-NLP/opus-mt-en-de: 74 million weights."""

TOKENS: Final = {"tiny": 60, "opus": 24}
"""Most tokens of a translation: more than any sentence has; and what every text of the untrained network has."""

CONTESTANTS: Final = {
    "easynmt": ("easynmt", "auto"),
    "int8": ("ctranslate2", "int8"),
    "float32": ("ctranslate2", "float32"),
    "float16": ("ctranslate2", "float16"),
}


@dataclass(frozen=True)
class Measured:
    """What one contestant took, medians over the rounds, in seconds for each text."""

    name: str
    wall: float
    cpu: float
    wall_ratio: float
    """EasyNMT's seconds by ours in the same round, median."""
    cpu_ratio: float
    different: int
    """Texts that are not what EasyNMT makes of them."""
    wrong: int
    """Texts that are not what the model was taught; 0 for an untrained one."""


def sentences() -> dict[str, str]:
    """Sixty-four sentences of three to nine words, with their translations: short ones, and two joined."""
    joined = {
        f"{one} and {other}": f"{eins} und {anderes}"
        for (one, eins), (other, anderes) in itertools.combinations(PAIRS.items(), 2)
    }
    every = max(1, len(joined) // 40)
    return {**PAIRS, **dict(list(joined.items())[::every][:40])}


def made(size: str, pairs: Mapping[str, str]) -> Path:
    """The folder with the model in ``original`` and its conversion in ``converted``, of the cache once it was made."""
    source = Path(sys.modules[make_model.__module__].__file__ or "").read_bytes()
    shape = LEARNER if size == "tiny" else OPUS_MT
    key = hashlib.sha256(source + repr((shape, sorted(pairs.items()))).encode()).hexdigest()[:16]
    folder = cache_root() / f"translation-{size}-{key}"
    if not folder.is_dir():
        tell(f"making the {size} model, once, in {folder}")
        folder.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=folder.parent, prefix=".making-") as scratch:
            make(Path(scratch, "model"), pairs, shape)
            Path(scratch, "model").rename(folder)
    return folder


def make(folder: Path, pairs: Mapping[str, str], shape: Shape) -> None:
    """Make a model and its conversion."""
    (folder / "original").mkdir(parents=True)
    torch.set_num_threads(1)  # so small a network is only kept waiting by more
    loss = make_model(folder / "original", pairs, shape)
    if shape.steps and loss > LEARNED:
        raise SystemExit(f"the tiny model has not learned its sentences: loss {loss:.3f} after {shape.steps} steps")
    convert_model(folder / "original", folder / "converted")


def load(name: str, folder: Path, device: str, beam: int, batch: int, tokens: int) -> Model:
    """One contestant's model."""
    engine, compute_type = CONTESTANTS[name]
    settings = TranslateSettings.model_validate(
        {
            "translation_engine": engine,
            "model_dir": folder / ("original" if engine == "easynmt" else "converted"),
            "model_offline": True,
            "device": device,
            "compute_type": compute_type,
            "beam_size": beam,
            "max_batch_size": batch,
            "max_decoding_length": tokens,
        }
    )
    return open_engine(settings).load(Pair("en", "de"))


def timed(call: Callable[[], list[Outcome]]) -> tuple[float, float, list[Outcome]]:
    """Wall and CPU seconds, and what came out."""
    wall, cpu = time.perf_counter(), time.process_time()
    outcomes = call()
    return time.perf_counter() - wall, time.process_time() - cpu, outcomes


def compare(models: Mapping[str, Model], texts: Sequence[str], taught: Sequence[str], rounds: int) -> list[Measured]:
    """Let all translate all texts, one after the other, round by round."""
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in models}
    outcomes: dict[str, list[Outcome]] = {}
    for number in range(rounds + 1):
        order = list(models) if number % 2 else list(models)[::-1]
        for name in order:
            wall, cpu, outcomes[name] = timed(partial(models[name].translate, texts))
            if number:  # the first warms up
                seconds[name].append((wall, cpu))
        tell(f"round {number} of {rounds}")
    return [measured(name, seconds, outcomes, taught) for name in models]


def measured(
    name: str,
    seconds: Mapping[str, Sequence[tuple[float, float]]],
    outcomes: Mapping[str, Sequence[Outcome]],
    taught: Sequence[str],
) -> Measured:
    """One contestant's medians."""
    peer, ours, texts = seconds["easynmt"], seconds[name], len(outcomes[name])
    return Measured(
        name=name,
        wall=median(wall for wall, _ in ours) / texts,
        cpu=median(cpu for _, cpu in ours) / texts,
        wall_ratio=median(theirs[0] / mine[0] for theirs, mine in zip(peer, ours, strict=True)),
        cpu_ratio=median(theirs[1] / mine[1] for theirs, mine in zip(peer, ours, strict=True)),
        different=sum(a != b for a, b in zip(outcomes["easynmt"], outcomes[name], strict=True)),
        wrong=sum(a != b for a, b in zip(taught, outcomes[name], strict=True)) if taught else 0,
    )


def tell(text: str) -> None:
    """Progress."""
    sys.stderr.write(f"{text}\n")


def main() -> None:
    """Make the model, run the rounds, print the results as one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=list(TOKENS), required=True)
    parser.add_argument("--device", choices=["cpu", "cuda"], required=True)
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--beams", type=int, nargs="+", required=True)
    arguments = parser.parse_args()
    pairs = sentences()
    texts = list(pairs) if arguments.size == "tiny" else list(pairs)[: arguments.batch]
    taught = list(pairs.values()) if arguments.size == "tiny" else []
    names = ["easynmt", *(("int8", "float32") if arguments.device == "cpu" else ("float16", "float32"))]
    results = {}
    folder = made(arguments.size, pairs)
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    tokens = TOKENS[arguments.size]
    for beam in arguments.beams:
        tell(f"{arguments.size} model, beam {beam}")
        models = {name: load(name, folder, arguments.device, beam, arguments.batch, tokens) for name in names}
        results[beam] = [asdict(each) for each in compare(models, texts, taught, arguments.rounds)]
    sys.stdout.write(json.dumps(results) + "\n")


if __name__ == "__main__":
    main()
