"""The queries of the chart's rules and dashboards, read from the files that are shipped."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

FILES = Path(__file__).resolve().parents[2] / "charts" / "speechpipe" / "files"
RULES = sorted((FILES / "rules").glob("*.yaml"))
DASHBOARDS = sorted((FILES / "dashboards").glob("*.json"))

_SELECTOR = re.compile(r"\b(?:\w+:\w+:\w+|(?:speechpipe|process|python)_\w+)(?:\{[^}]*\})?")
_RECORDED = re.compile(r"\b\w+:\w+:\w+\b")
_METRIC = re.compile(r"\bspeechpipe_\w+")


@dataclass(frozen=True)
class Found:
    """A query and where it stands."""

    place: str
    expr: str


def parsed(path: Path) -> Any:  # noqa: ANN401 - of any shape
    """A YAML file."""
    return YAML(typ="safe", pure=True).load(path.read_text())


def rules() -> list[dict[str, Any]]:
    """All recording and alerting rules."""
    return [rule for path in RULES for group in parsed(path)["groups"] for rule in group["rules"]]


def alerts() -> dict[str, dict[str, Any]]:
    """Alerts by name."""
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


def boards() -> dict[str, dict[str, Any]]:
    """Dashboards by the name of their file."""
    return {path.stem: json.loads(path.read_text()) for path in DASHBOARDS}


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    """All panels that show something."""
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def panel_queries() -> Iterator[Found]:
    """Every query of every panel, as it stands there."""
    for name, board in boards().items():
        for panel in panels(board):
            for target in panel["targets"]:
                yield Found(f"{name} / {panel['title']} / {target['refId']}", target["expr"])


def rule_queries() -> Iterator[Found]:
    """Every expression of every rule."""
    for rule in rules():
        yield Found(rule.get("alert") or rule["record"], rule["expr"])


def selectors(expr: str) -> list[str]:
    """The series that an expression reads, each with its matchers."""
    return _SELECTOR.findall(expr)


def metrics(expr: str) -> set[str]:
    """Names of our metrics in an expression; those of recording rules are none."""
    return set(_METRIC.findall(_RECORDED.sub("", expr)))
