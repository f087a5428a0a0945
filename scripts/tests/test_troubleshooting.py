"""The page that people open when something is wrong."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from speechpipe_operator.autoscaling.types import Reason
from speechpipe_operator.observed import Refusal

CODE = Path("operator/src/speechpipe_operator")
ROW = re.compile(r"^\| `([A-Z][A-Za-z]+)`", re.MULTILINE)


def texts(node: ast.AST) -> Iterator[str]:
    """The words that an expression may come to: a constant, or either side of a condition."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from (*texts(node.body), *texts(node.orelse))


def reasons_in(source: str) -> set[str]:
    """Reasons that a module gives: in a Verdict, or as the answer of a function that is called `_reason`."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Verdict":
            found.update(texts(node.args[1]))
        elif isinstance(node, ast.FunctionDef) and node.name == "_reason":
            for part in ast.walk(node):
                if isinstance(part, ast.Return) and part.value is not None:
                    found.update(texts(part.value))
    return found


def reasons(root: Path) -> set[str]:
    """Every reason that a status can have."""
    given = {reason for path in (root / CODE).rglob("*.py") for reason in reasons_in(path.read_text())}
    return given | set(get_args(Refusal)) | set(get_args(Reason))


def test_every_reason_of_a_status_is_explained(root: Path) -> None:
    """The page has a row for each reason that the operator can give, and none for one that it can't."""
    explained = set(ROW.findall((root / "docs" / "troubleshooting.md").read_text()))
    assert {"SpecInvalid", "OutOfMemory", "GpuStarved", "Contested", "Panic"} < reasons(root)
    assert explained == reasons(root)
