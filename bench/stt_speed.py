"""The batched STT engine against faster-whisper's own ``transcribe``: the same model, the same clips, one process.

    .venv/bin/python bench/stt_speed.py --speech DIR [--device cuda] [--rounds 5]

Clips of ``DIR`` (with a ``manifest.json``) and of pytest-audioeval in nine languages, alone and joined up to 12 s, come
in three classes by length. Each round decodes a class with the peer one at a time, with the batched engine one at a
time, and with 32 waiting, with word times on both sides; a class's figure is the median over the rounds of the peer's
seconds by ours. Beside it stand the same ratios in CPU seconds, which other work on the machine disturbs less. The
other peer is the reference system's call: beam 5, its own VAD filter, six temperatures, no word times.
"""

import argparse
import itertools
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from faster_whisper import WhisperModel
from results import Figure, Result, publish
from shared import corpus_rate, say
from stt_speech import CLASSES, Speech, by_class, read_all
from stt_words import compare_words

from speechpipe_common.downloads import ASSETS, fetch
from speechpipe_stt.batched.engine import BatchedEngine
from speechpipe_stt.engine import EngineError, HeardWord, Transcription, Utterance
from speechpipe_stt.whisper import FasterWhisperEngine

WAITING = 32
WER_BAR = 0.5
"""Points: errors in a hundred words."""
BARS = {"under 3 s": (4.0, 8.0), "3 to 6 s": (3.0, 6.0), "6 to 12 s": (2.5, 3.5)}
"""Ratios alone, and with 32 waiting; nothing was promised of a GPU."""
SYSTEM_BAR = 10.0
OURS: dict[str, dict[str, Any]] = {
    "greedy, word times": {"beam_size": 1},
    "beam 5, word times": {"beam_size": 5},
    "beam 5": {"beam_size": 5, "words": False},
}
"""What is held against the reference system, which tells no times of words."""


@dataclass(frozen=True)
class Taken:
    """What a pass over some speech took, for each utterance."""

    wall: float
    cpu: float


def timed(call: Callable[[], object], utterances: int) -> Taken:
    """Run it; seconds for each utterance."""
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    return Taken((time.perf_counter() - wall) / utterances, (time.process_time() - cpu) / utterances)


class Peers:
    """The contestants: the same model, and on a CPU as many threads each, which the peer has all in one call."""

    def __init__(self, device: str, batch: int, threads: int = 0) -> None:
        options: dict[str, Any] = {"device": device, "cpu_threads": threads, "vad_filter": False}
        folder = fetch(ASSETS["whisper-base"])
        self.model: WhisperModel = FasterWhisperEngine(folder, **options).model
        reference = FasterWhisperEngine(folder, apart=True, **options)
        self.engine = BatchedEngine(reference)
        self.engine.warm_up()
        self.compute_type = reference.compute_type
        self.on_cpu = reference.device == "cpu"
        self._batch = batch

    def plain(self, speech: Speech) -> Transcription:
        """faster-whisper at temperature 0, greedy, with word times."""
        return self._transcribe(speech, beam_size=1, temperature=0.0, word_timestamps=True)

    def system(self, speech: Speech) -> Transcription:
        """faster-whisper as the reference system calls it."""
        return self._transcribe(speech, beam_size=5, vad_filter=True)

    def _transcribe(self, speech: Speech, **options: object) -> Transcription:
        segments, info = self.model.transcribe(speech.audio, language=speech.language, **options)
        found = list(segments)
        words = tuple(
            HeardWord(word.word, word.start, word.end, word.probability)
            for segment in found
            for word in segment.words or ()
        )
        return Transcription("".join(segment.text for segment in found).strip(), info.language, 1.0, words)

    def ours(
        self, waiting: Sequence[Speech], beam_size: int = 1, *, fallback: bool = False, words: bool = True
    ) -> list[Transcription]:
        """The batched engine with these waiting, the shortest first; ``fallback`` as finals have it."""
        heard: list[Transcription] = []
        ordered = sorted(waiting, key=lambda each: len(each.audio))
        for begin in range(0, len(ordered), self._batch):
            some = ordered[begin : begin + self._batch]
            effort: dict[str, Any] = {"beam_size": beam_size, "fallback": fallback, "word_timestamps": words}
            utterances = [Utterance(each.audio, each.language, **effort) for each in some]
            for outcome in self.engine.transcribe(utterances):
                if isinstance(outcome, EngineError):
                    raise outcome
                heard.append(outcome)
        return heard


def speed(peers: Peers, speech: Sequence[Speech], rounds: int) -> list[tuple[Taken, ...]]:
    """For each round: the peer, ours alone, ours with 32 waiting."""
    many = list(itertools.islice(itertools.cycle(speech), WAITING))
    found: list[tuple[Taken, ...]] = []
    for _ in range(rounds):
        found.append(
            (
                timed(lambda: [peers.plain(each) for each in speech], len(speech)),
                timed(lambda: [peers.ours([each]) for each in speech], len(speech)),
                timed(lambda: peers.ours(many), len(many)),
            )
        )
    return found


def ratios(rounds: Sequence[tuple[Taken, ...]], column: int) -> tuple[float, float]:
    """Median ratio of the peer to a column, in wall and in CPU seconds."""
    return (
        median(each[0].wall / each[column].wall for each in rounds),
        median(each[0].cpu / each[column].cpu for each in rounds),
    )


def report_speed(peers: Peers, classes: dict[str, list[Speech]], rounds: int) -> list[Figure]:
    """The table by class."""
    figures: list[Figure] = []
    say("| utterances | peer, ms | alone: wall (CPU) | bar | 32 waiting: wall (CPU) | bar |\n|---|---|---|---|---|---|")
    for name in CLASSES:
        found = speed(peers, classes[name], rounds)
        alone, many = ratios(found, 1), ratios(found, 2)
        bars = BARS[name]
        for what, ratio, bar in (("alone", alone, bars[0]), (f"{WAITING} waiting", many, bars[1])):
            held = bar if peers.on_cpu else None
            figures.append(Figure(f"{name}, {what}, `transcribe` by ours", ratio[0], "x", held, "higher"))
            figures.append(Figure("the same in CPU seconds", ratio[1], "x"))
        peer = 1000 * median(each[0].wall for each in found)
        say(
            f"| {name} ({len(classes[name])}) | {peer:.0f} | {alone[0]:.1f} ({alone[1]:.1f}) | {bars[0]:g} "
            f"| {many[0]:.1f} ({many[1]:.1f}) | {bars[1]:g} |"
        )
    return figures


def report_system(peers: Peers, speech: list[Speech], rounds: int) -> list[Figure]:
    """The recordings as they are, the same on both sides, the peer with beam 5."""
    many = [each for each in speech if not each.joined]
    found = [
        (
            timed(lambda: [peers.system(each) for each in many], len(many)),
            *(timed(partial(peers.ours, many, fallback=True, **each), len(many)) for each in OURS.values()),
        )
        for _ in range(rounds)
    ]
    say(f"\nagainst the reference system's settings, without word times, {len(many)} waiting (bar {SYSTEM_BAR:g}):")
    figures = []
    for column, name in enumerate(OURS, 1):
        wall, cpu = ratios(found, column)
        say(f"  ours, {name}: {wall:.1f} (CPU {cpu:.1f})")
        what = f"the reference system's settings by ours, {len(many)} waiting, {name}"
        held = SYSTEM_BAR if peers.on_cpu else None
        figures += [Figure(what, wall, "x", held, "higher"), Figure("the same in CPU seconds", cpu, "x")]
    return figures


def report_quality(peers: Peers, speech: list[Speech]) -> list[Figure]:
    """Word error rates and word times."""
    speech = sorted(speech, key=lambda each: len(each.audio))
    plain = [peers.plain(each) for each in speech]
    greedy, beams = peers.ours(speech), peers.ours(speech, 5, fallback=True)
    rates = {
        "transcribe, greedy, temperature 0": rate(speech, plain),
        "batched, greedy, temperature 0": rate(speech, greedy),
        "batched, beam 5, as finals": rate(speech, beams),
    }
    say(f"\n{len(speech)} clips in nine languages, word error rate (English alone):")
    for name, (whole, english) in rates.items():
        say(f"  {name}: {whole:.4f} ({english:.4f})")
    middle, late, count = compare_words(plain, greedy)
    say(f"word times of {count} words that agree: median {middle:.0f} ms, p95 {late:.0f} ms (bars 20 and 80)")
    peer, *mine = (whole for whole, _ in rates.values())
    return [
        *(Figure(f"WER, {name}", whole) for name, (whole, _) in rates.items()),
        Figure(
            "more errors in a hundred words than `transcribe`, the worse of ours", 100 * (max(mine) - peer), bar=WER_BAR
        ),
        Figure(f"word times of {count} words that agree, median", middle, "ms", 20),
        Figure("p95", late, "ms", 80),
    ]


def rate(speech: Sequence[Speech], heard: Sequence[Transcription]) -> tuple[float, float]:
    """Word error rate of all clips, and of the English ones."""

    def over(language: str | None) -> float:
        pairs = [
            (each.language, each.text, one.text)
            for each, one in zip(speech, heard, strict=True)
            if each.scored and language in (None, each.language)
        ]
        languages = {code for code, _, _ in pairs}
        words = {code: sum(len(text.split()) for c, text, _ in pairs if c == code) for code in languages}
        rates = {
            code: corpus_rate([t for c, t, _ in pairs if c == code], [h for c, _, h in pairs if c == code], code)
            for code in languages
        }
        return sum(rates[code] * words[code] for code in languages) / sum(words.values())

    return over(None), over("en")


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description="The batched STT engine against transcribe.")
    parser.add_argument("--speech", type=Path, required=True, help="folder with clips and manifest.json")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch", type=int, default=16, help="utterances of one call at most")
    parser.add_argument("--only", choices=("speed", "system", "quality"), help="one part of it")
    options = parser.parse_args()
    peers, speech = Peers(options.device, options.batch), read_all(options.speech)
    say(f"Whisper base, {options.device}, {peers.compute_type}, {options.rounds} rounds, calls of {options.batch}\n")
    parts: dict[str, Callable[[], list[Figure]]] = {
        "speed": lambda: report_speed(peers, by_class(speech), options.rounds),
        "system": lambda: report_system(peers, speech, options.rounds),
        "quality": lambda: report_quality(peers, speech),
    }
    figures = [figure for name, part in parts.items() if options.only in (None, name) for figure in part()]
    if options.only:
        return 0 if all(figure.holds for figure in figures) else 1
    called = f"stt_speed.py --speech DIR --rounds {options.rounds} --batch {options.batch}"
    return publish(Result("stt_speed", called, options.device, figures))


if __name__ == "__main__":
    sys.exit(main())
