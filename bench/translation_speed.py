"""CTranslate2 against EasyNMT: the same model, the same sentences, the same batch, one process, alternating rounds.

    .venv/bin/python bench/translation_speed.py [--rounds 9] [--models tiny] [--device cuda --python PYTHON]

The tiny model is trained on the spot on 64 sentences; both engines must make the same text of them. A second model has
the size of OPUS-MT and random weights: its texts mean nothing, all have 24 tokens, and only their speed counts. All
runs in EasyNMT's own environment, which is made in the user's cache (600 MB) and computes on CPUs. For a GPU, name an
interpreter that has easynmt, a torch with CUDA, ctranslate2 and the packages of services/translate.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from results import Figure, Result, Table, publish
from shared import say

ROOT: Final = Path(__file__).parents[1]
BAR: Final = 4.0
"""How many times as fast CTranslate2 is to be, with the tiny model."""


def interpreter() -> str:
    """Python of EasyNMT's environment, which is made where it is not there."""
    script = str(ROOT / "services" / "translate" / "easynmt-environment")
    made = subprocess.run([script], stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603 - ours
    return made.stdout.strip()


def rounds(python: str, size: str, arguments: argparse.Namespace, *, beams: tuple[int, ...], rounds: int) -> Any:  # noqa: ANN401 - JSON
    """Run the contest over one model; results by beam size."""
    gpu = arguments.device == "cuda"
    environment = {
        **os.environ,
        **({} if gpu else {"CUDA_VISIBLE_DEVICES": ""}),
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "OMP_NUM_THREADS": str(arguments.threads),
        "PYTHONPATH": f"{ROOT / 'services/common/src'}:{ROOT / 'services/translate/src'}",
        "PYTHONWARNINGS": "ignore",
        "TRANSFORMERS_VERBOSITY": "error",
    }
    command = [python, str(ROOT / "bench" / "translation_rounds.py"), "--size", size, "--device", arguments.device]
    command += ["--rounds", str(rounds), "--batch", str(arguments.batch), "--beams", *map(str, beams)]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603 - ours
    return json.loads(done.stdout.splitlines()[-1])


def rows(results: Any, size: str) -> list[list[str]]:  # noqa: ANN401 - JSON
    """Lines of the table."""
    lines = []
    for beam, contestants in results.items():
        for each in contestants:
            same = f"{each['different']} differ" if size == "tiny" else "—"
            peer = each["name"] == "easynmt"
            lines.append(
                [
                    f"{size}, beam {beam}",
                    "EasyNMT" if peer else f"CTranslate2 {each['name']}",
                    f"{each['wall'] * 1000:.2f} ms",
                    f"{each['cpu'] * 1000:.2f} ms",
                    "" if peer else f"{each['wall_ratio']:.1f}",
                    "" if peer else f"{each['cpu_ratio']:.1f}",
                    "" if peer else same,
                ]
            )
    return lines


def judged(size: str, results: Any, batch: int) -> list[Figure]:  # noqa: ANN401 - JSON
    """What counts of a model's results."""
    _, ours, floats = results["5"]
    if size == "opus":
        return [Figure("model of OPUS-MT's size, beam 5, wall time", round(ours["wall_ratio"], 1), "x")]
    return [
        Figure(f"tiny model, beam 5, batch {batch}, wall time", round(ours["wall_ratio"], 1), "x", BAR, "higher"),
        Figure("the same in CPU seconds", round(ours["cpu_ratio"], 1), "x", BAR, "higher"),
        Figure("its texts that differ from EasyNMT's", ours["different"], bar=0),
        Figure("texts that differ in float32", floats["different"], bar=0),
        Figure("texts that EasyNMT and CTranslate2 got wrong", sum(each["wrong"] for each in results["5"])),
    ]


def print_row(cells: list[str]) -> None:
    """One line of the table."""
    say("  ".join(cell.ljust(19) for cell in cells).rstrip())


def main() -> int:
    """Print and publish; 1 where the bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--python", help="interpreter with easynmt and ctranslate2 (default: the cached environment)")
    parser.add_argument("--rounds", type=int, default=9, help="of the tiny model; the big one has a third")
    parser.add_argument("--batch", type=int, default=32, help="texts of one call")
    parser.add_argument("--models", nargs="+", choices=["tiny", "opus"], default=["tiny", "opus"])
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="of both engines")
    arguments = parser.parse_args()
    if arguments.device == "cuda" and not arguments.python:
        say("translation on a GPU is left out: EasyNMT's environment here has a torch without CUDA; see --python")
        return 0
    python = arguments.python or interpreter()
    columns = ["model", "engine", "wall, a text", "CPU, a text", "times as fast, wall", "CPU", "texts"]
    print_row(columns)
    table, figures = Table(columns, []), []
    for size in arguments.models:
        count, beams = (arguments.rounds, (5, 1)) if size == "tiny" else (max(1, arguments.rounds // 3), (5,))
        results = rounds(python, size, arguments, beams=beams, rounds=count)
        figures += judged(size, results, arguments.batch)
        for row in rows(results, size):
            print_row(row)
            table.rows.append(row)
    command = f"translation_speed.py --rounds {arguments.rounds} --models {' '.join(arguments.models)}"
    return publish(Result("translation_speed", command, device=arguments.device, figures=figures, tables=[table]))


if __name__ == "__main__":
    sys.exit(main())
