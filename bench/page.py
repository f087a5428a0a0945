"""Writes what the benches have left in ``build/bench`` into docs/benchmarks.md, and draws their plots.

    .venv/bin/python bench/page.py

Each result goes between ``<!-- bench: NAME -->`` and ``<!-- /bench -->``; nothing else on the page is touched, and a
block whose bench was not run stays as it is. Results of a GPU get a block of their own after that of the CPU.
"""

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from results import RESULTS, Figure, Plot, Result, Table, read

ROOT = Path(__file__).resolve().parents[1]
END = "<!-- /bench -->"


class NoPlace(Exception):
    """The page has no mark for a result."""


def mark(key: str) -> str:
    """What stands before a block."""
    return f"<!-- bench: {key} -->"


def block(result: Result) -> str:
    """What stands between the marks, both included."""
    parts = [mark(result.key), _origin(result)]
    if result.figures:
        parts.append(_figures(result.figures))
    parts += [_table(table) for table in result.tables]
    parts += [f"![{plot.title}](images/{image_name(result, plot)})" for plot in result.plots]
    if result.notes:
        parts.append("\n".join(f"- {note}" for note in result.notes))
    return "\n\n".join([*parts, END])


def image_name(result: Result, plot: Plot) -> str:
    """File name of a plot, different for each device."""
    return f"bench-{plot.name}.png" if result.device == "cpu" else f"bench-{plot.name}-{result.device}.png"


def place(page: str, result: Result) -> str:
    """The page with the result in it.

    Raises:
        NoPlace: neither the block of this result nor, for another device, that of the CPU is on the page.
    """
    own = re.compile(rf"{re.escape(mark(result.key))}\n.*?{re.escape(END)}", re.DOTALL)
    text = block(result)
    if own.search(page):
        return own.sub(lambda _: text, page, count=1)
    beside = re.compile(rf"({re.escape(mark(result.bench))}\n.*?{re.escape(END)})", re.DOTALL)
    if result.key != result.bench and beside.search(page):
        return beside.sub(lambda found: f"{found[1]}\n\n{text}", page, count=1)
    raise NoPlace(f"no place for {result.key}: put {mark(result.bench)} and {END} where its figures belong")


def draw(plot: Plot, path: Path) -> None:
    """Draw one plot as a PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Drawing

    figure = Drawing(figsize=(8, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for line in plot.lines:
        axes.plot([x for x, _ in line.points], [y for _, y in line.points], marker="o", label=line.label)
    axes.set(title=plot.title, xlabel=plot.x, ylabel=plot.y)
    if plot.log_x:
        axes.set_xscale("log")
    if plot.log_y:
        axes.set_yscale("log")
    axes.grid(alpha=0.3, which="both")
    axes.legend()
    # Without a date and a version the same figures make the same file.
    figure.savefig(path, dpi=110, metadata={"Software": None})


def _origin(result: Result) -> str:
    where = f", {result.machine.text}" if result.machine else ""
    device = "" if result.device == "cpu" else f" --device {result.device}"
    return f"`.venv/bin/python bench/{result.command}{device}`, {result.date}{where}:"


def _figures(figures: list[Figure]) -> str:
    rows = [[each.name, _number(each.value, each.unit), _bar(each)] for each in figures]
    return _table(Table(["", "measured", "bar"], rows))


def _bar(figure: Figure) -> str:
    if figure.bar is None:
        return ""
    sign = "≤" if figure.better == "lower" else "≥"
    held = "" if figure.holds else ", **missed**"
    return f"{sign} {_number(figure.bar, figure.unit)}{held}"


def _number(value: float, unit: str) -> str:
    digits = f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return f"{digits} {unit}".strip()


def _table(table: Table) -> str:
    rows = [table.columns, ["---"] * len(table.columns), *table.rows]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([f"{table.title}:\n", *lines] if table.title else lines)


def results(folder: Path) -> Iterator[Result]:
    """All results in a folder, those of the CPU before others of the same bench.

    Raises:
        ValueError: a file is no result.
    """
    found = [read(path) for path in folder.glob("*.json")]
    yield from sorted(found, key=lambda each: (each.bench, each.device))


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description="Results of benches into the page and its plots.")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "benchmarks.md")
    options = parser.parse_args()
    page, homeless = options.page.read_text(encoding="utf-8"), []
    for result in results(options.results):
        try:
            page = place(page, result)
        except NoPlace as error:
            homeless.append(str(error))
            continue
        for plot in result.plots:
            draw(plot, options.page.parent / "images" / image_name(result, plot))
        sys.stdout.write(f"{options.page.name}: {result.key}\n")
    options.page.write_text(page, encoding="utf-8")
    sys.stderr.writelines(f"{options.page.name}: {line}\n" for line in homeless)
    return 1 if homeless else 0


if __name__ == "__main__":
    sys.exit(main())
