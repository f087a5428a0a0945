"""What an utterance costs the batched STT engine by threads, size of a call, beams and word times.

    .venv/bin/python bench/stt_curve.py --speech DIR [--device cuda] [--threads 1 2] [--batch 1 4 8 16 32]

All recordings of ``DIR`` (with a ``manifest.json``) and of pytest-audioeval wait at once and are decoded as finals are,
the shortest first. Beside each cost stands how many times as much the reference system's call costs on the same model
with as many threads: one at a time, beam 5, its VAD filter, its temperatures, no word times. CPU seconds, which other
work on the machine disturbs less than wall time, are those of all threads.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from results import Line, Plot, Result, Table, publish
from shared import say
from stt_speech import Speech, read_all
from stt_speed import Peers, Taken, timed

from speechpipe_stt.engine import EngineError, Utterance

WAYS = ((1, True), (1, False), (5, True), (5, False))


@dataclass(frozen=True)
class Point:
    """One way of decoding everything, and what it took for each utterance."""

    batch: int
    beams: int
    words: bool
    taken: Taken


def decode(peers: Peers, speech: list[Speech], batch: int, beams: int, words: bool) -> None:
    """All of it, as finals."""
    for begin in range(0, len(speech), batch):
        some = [
            Utterance(each.audio, each.language, beam_size=beams, word_timestamps=words)
            for each in speech[begin : begin + batch]
        ]
        for outcome in peers.engine.transcribe(some):
            if isinstance(outcome, EngineError):
                raise outcome


def point(peers: Peers, speech: list[Speech], batch: int, beams: int, words: bool) -> Point:
    """What one way takes."""
    return Point(batch, beams, words, timed(lambda: decode(peers, speech, batch, beams, words), len(speech)))


def peer(peers: Peers, speech: list[Speech]) -> Taken:
    """What the reference system's call takes."""
    return timed(lambda: [peers.system(each) for each in speech], len(speech))


def table(threads: int, theirs: Taken, points: list[Point]) -> Table:
    """All of one number of threads."""
    columns = [
        "utterances of a call",
        "beams",
        "word times",
        "ms each",
        "times the peer",
        "CPU ms each",
        "times the peer",
    ]
    rows = [
        [
            str(each.batch),
            str(each.beams),
            "yes" if each.words else "no",
            f"{1000 * each.taken.wall:.0f}",
            f"{theirs.wall / each.taken.wall:.1f}",
            f"{1000 * each.taken.cpu:.0f}",
            f"{theirs.cpu / each.taken.cpu:.1f}",
        ]
        for each in points
    ]
    title = f"Threads: {threads}; the peer takes {1000 * theirs.wall:.0f} ms each, CPU {1000 * theirs.cpu:.0f} ms"
    return Table(columns, rows, title)


def lines(threads: int, points: list[Point]) -> Iterator[Line]:
    """A curve for each way."""
    for beams, words in WAYS:
        chosen = [each for each in points if (each.beams, each.words) == (beams, words)]
        label = f"threads {threads}, beam {beams}, {'with' if words else 'without'} word times"
        yield Line(label, [(each.batch, 1000 * each.taken.cpu) for each in chosen])


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description="The cost of an utterance by threads and size of a call.")
    parser.add_argument("--speech", type=Path, required=True, help="folder with clips and manifest.json")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 4, 8, 16, 32])
    options = parser.parse_args()
    recorded = [each for each in read_all(options.speech) if not each.joined]
    speech = sorted(recorded, key=lambda each: len(each.audio))
    tables: list[Table] = []
    curves: list[Line] = []
    for threads in options.threads:
        peers = Peers(options.device, max(options.batch), threads)
        decode(peers, speech, max(options.batch), 1, False)
        points = [point(peers, speech, batch, *way) for batch in options.batch for way in WAYS]
        tables.append(table(threads, peer(peers, speech), points))
        curves += lines(threads, points)
        say(f"{tables[-1].title}\n" + "\n".join(" | ".join(row) for row in (tables[-1].columns, *tables[-1].rows)))
    plot = Plot("stt-curve", "Cost of an utterance", "utterances of a call", "CPU ms each", curves, log_x=True)
    called = f"stt_curve.py --speech DIR --threads {_listed(options.threads)} --batch {_listed(options.batch)}"
    return publish(Result("stt_curve", called, options.device, tables=tables, plots=[plot]))


def _listed(numbers: list[int]) -> str:
    return " ".join(map(str, numbers))


if __name__ == "__main__":
    sys.exit(main())
