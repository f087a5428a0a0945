"""Whether the batched STT engine ever runs away or makes words of noise: thousands of decodes of hard audio.

    .venv/bin/python bench/stt_runaway.py --speech DIR [--decodes 5000] [--first 0]

Speech cut at a random place and length, as it is, in noise, or faint; silence, white and pink noise, hum, clicks and
chords; as partials and as finals with one beam and five, language given or not, with the VAD filter off, which is
harder than what a worker does. A text is a runaway when it says a phrase four times or more in a row, or is longer than
fifty characters and thirty for each second. For what is no speech any text is an invention; it counts against the
engine where the reference engine, behind the same guards, is silent on the same audio.

Case 17 is the same whenever it is decoded, so that pieces add up (``--first 1000 --decodes 500``). Outcomes are kept in
the user's cache under a digest of the engine's code: what was interrupted goes on where it stopped, and the table
counts all that are there. Several may run at once.
"""

import argparse
import hashlib
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from hard_audio import Case, case
from shared import say
from stt_speech import Speech, read_all

import speechpipe_stt
from speechpipe_common.downloads import ASSETS, cache_root, fetch
from speechpipe_stt.batched.engine import BatchedEngine
from speechpipe_stt.engine import EngineError, Transcription, Utterance
from speechpipe_stt.guards import without_loops
from speechpipe_stt.whisper import FasterWhisperEngine

CALL = 32


@dataclass(frozen=True)
class Outcome:
    """What became of a case."""

    number: int
    kind: str
    partial: bool
    seconds: float
    text: str
    runaway: bool
    invented: bool
    reference: str | None = None
    """What the reference engine makes of the same audio; only asked about inventions."""

    @property
    def held_against_us(self) -> bool:
        """A runaway, or an invention where the reference engine is silent."""
        return self.runaway or (self.invented and not self.reference)


def runaway(text: str, seconds: float) -> bool:
    """Whether the text goes on as no speaker does."""
    tokens = text.split() if " " in text else list(text)
    return len(without_loops(tokens)) < len(tokens) or len(text) > 50 + 30 * seconds


class Contest:
    """The engine, and the reference engine on the same model."""

    def __init__(self, device: str, threads: int, *, rules: bool | None = None) -> None:
        self._reference = FasterWhisperEngine(
            fetch(ASSETS["whisper-base"]),
            device=device,  # type: ignore[arg-type]  # one of the parser's choices
            cpu_threads=threads,
            apart=True,
            vad_filter=False,
        )
        self._engine = BatchedEngine(self._reference, rules=rules)

    def decode(self, cases: Sequence[Case]) -> list[Outcome]:
        """All of them together."""
        heard = self._engine.transcribe([each.utterance for each in cases])
        return [self._outcome(one, _text(got)) for one, got in zip(cases, heard, strict=True)]

    def _outcome(self, one: Case, text: str) -> Outcome:
        seconds = one.utterance.seconds
        invented = bool(text) and not one.spoken
        return Outcome(
            one.number,
            one.kind,
            not one.utterance.fallback,
            round(seconds, 2),
            text,
            runaway(text, seconds),
            invented,
            self._alone(one.utterance) if invented else None,
        )

    def _alone(self, utterance: Utterance) -> str:
        return _text(self._reference.transcribe([utterance])[0])


def _text(got: Transcription | EngineError) -> str:
    if isinstance(got, EngineError):
        raise got
    return got.text


def code_digest() -> str:
    """Of all that decides what the engine writes, and of the cases."""
    digest = hashlib.sha256()
    folder = Path(speechpipe_stt.__path__[0])
    names = ("guards.py", "pieces.py", "speech.py", "whisper.py")
    cases = Path(__file__).with_name("hard_audio.py")
    for path in (cases, *sorted((folder / "batched").glob("*.py")), *(folder / name for name in names)):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def read(path: Path) -> list[Outcome]:
    """What was decoded before."""
    if not path.exists():
        return []
    return [Outcome(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


def decode_missing(contest: Contest, speech: Sequence[Speech], numbers: Sequence[int], path: Path) -> None:
    """Decode these cases, each call's outcomes written down before the next call."""
    done = 0
    for some in _pieces(numbers):
        outcomes = contest.decode([case(speech, number) for number in some])
        lines = "".join(f"{json.dumps(asdict(each), ensure_ascii=False)}\n" for each in outcomes)
        # In one write, since several of these may run.
        with path.open("ab", buffering=0) as file:
            file.write(lines.encode())
        for each in outcomes:
            if each.runaway or each.invented:
                say(_story(each))
        done += len(some)
        sys.stderr.write(f"\r{done} of {len(numbers)} " if sys.stderr.isatty() else f"{done} of {len(numbers)}\n")


def _pieces(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    for begin in range(0, len(numbers), CALL):
        yield numbers[begin : begin + CALL]


def _story(each: Outcome) -> str:
    what = "runaway" if each.runaway else "invented"
    beside = f" (reference: {each.reference!r})" if each.reference is not None else ""
    return f"{what}: case {each.number}, {each.kind}, {each.seconds} s, partial {each.partial}: {each.text!r}{beside}"


def table(outcomes: Iterable[Outcome]) -> str:
    """By kind of audio."""
    decoded: Counter[str] = Counter()
    wild: Counter[str] = Counter()
    invented: Counter[str] = Counter()
    ours: Counter[str] = Counter()
    for each in outcomes:
        decoded[each.kind] += 1
        wild[each.kind] += each.runaway
        invented[each.kind] += each.invented
        ours[each.kind] += each.invented and not each.reference
    lines = ["| audio | decodes | runaways | invented | where the reference is silent |", "|---|---|---|---|---|"]
    lines += [
        f"| {kind} | {decoded[kind]} | {wild[kind]} | {invented[kind]} | {ours[kind]} |" for kind in sorted(decoded)
    ]
    lines.append(f"| all | {decoded.total()} | {wild.total()} | {invented.total()} | {ours.total()} |")
    return "\n".join(lines)


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description="Runaway decodes and invented words.")
    parser.add_argument("--speech", type=Path, required=True, help="folder with clips and manifest.json")
    parser.add_argument("--decodes", type=int, default=5000)
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, default=0, help="threads on a CPU; 0 leaves it to CTranslate2")
    parser.add_argument("--without-rules", action="store_true", help="decode on a CPU as on a GPU: force no timestamps")
    options = parser.parse_args()
    ruled = "-unruled" if options.without_rules else ""
    path = cache_root() / "runaway" / f"{code_digest()}-{options.device}{ruled}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    known = {each.number for each in read(path)}
    numbers = [one for one in range(options.first, options.first + options.decodes) if one not in known]
    if numbers:
        contest = Contest(options.device, options.threads, rules=False if options.without_rules else None)
        decode_missing(contest, read_all(options.speech), numbers, path)
    outcomes = list({each.number: each for each in read(path)}.values())
    say(table(outcomes))
    return 1 if any(each.held_against_us for each in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
