"""``generate.py CHART`` writes the dashboards below the folder of a chart, as Grafana reads them."""

import sys
from pathlib import Path
from typing import Final

import captions
import running
import workers
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from parts import Board, build

BOARDS: Final[tuple[Board, ...]] = (captions.BOARD, workers.BOARD, running.BOARD)
FOLDER: Final = Path("files") / "dashboards"


def generated() -> dict[str, str]:
    """File below the chart's folder to its text."""
    return {
        str(FOLDER / f"{board.name}.json"): JSONEncoder(sort_keys=True, indent=1).encode(build(board)) + "\n"
        for board in BOARDS
    }


def main(chart: Path) -> None:
    """Write all of them."""
    for name, text in generated().items():
        file = chart / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
