"""Reads ``SpeechPipeline`` documents from YAML; whatever is wrong is said by file, line and name, all at once."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedBase, CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from speechpipe_operator.problems import Location, meant, problems, shown
from speechpipe_operator.spec import API_VERSION, KIND, SpeechPipeline

STATUS: Final = "status"
"""Written by the operator, so a resource read back from a cluster has it; nobody's wish, so it is left out."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong; ``line`` counts from 1."""

    line: int
    where: str
    what: str


class DocumentError(Exception):
    """A file holds no valid ``SpeechPipeline``; the message has one line for each problem."""

    def __init__(self, source: str, found: list[Problem]) -> None:
        self.source = source
        self.problems = sorted(found)
        super().__init__(
            "\n".join(f"{source}:{p.line}: {p.where}{': ' if p.where else ''}{p.what}" for p in self.problems)
        )


def load_file(path: Path) -> list[SpeechPipeline]:
    """All documents of a file.

    Raises:
        DocumentError: something in it is wrong, or it holds no document.
        OSError: it can't be read.
    """
    return load_text(path.read_text(encoding="utf-8"), str(path))


def load_text(text: str, source: str) -> list[SpeechPipeline]:
    """All documents of a text; ``source`` names it in errors.

    Raises:
        DocumentError: something in it is wrong, or it holds no document.
    """
    pipelines: list[SpeechPipeline] = []
    found: list[Problem] = []
    lines: dict[str, int] = {}
    for document in _documents(text, source):
        try:
            pipeline = _pipeline(document)
        except _Refused as refused:
            found += refused.problems
            continue
        name, line = pipeline.metadata.name, _line(document, ("metadata", "name"))
        if name in lines:
            found.append(
                Problem(line, "metadata.name", f"{name!r} is the name of the document at line {lines[name]} too")
            )
        lines.setdefault(name, line)
        pipelines.append(pipeline)
    if not (pipelines or found):
        found.append(Problem(1, "", f"holds no {KIND} document"))
    if found:
        raise DocumentError(source, found)
    return pipelines


class _Refused(Exception):
    """Carries the problems of one document to the list of all."""

    def __init__(self, found: list[Problem]) -> None:
        self.problems = found


def _documents(text: str, source: str) -> Iterator[Any]:
    try:
        for document in YAML(typ="rt").load_all(text):
            if document is not None:
                yield document
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = " ".join(str(error.problem or error.context or "not YAML").split())
        raise DocumentError(source, [Problem(mark.line + 1 if mark else 1, "", f"not YAML: {what}")]) from error
    except YAMLError as error:
        raise DocumentError(source, [Problem(1, "", f"not YAML: {error}")]) from error


def _pipeline(document: Any) -> SpeechPipeline:  # noqa: ANN401 - YAML can hold anything
    if not isinstance(document, CommentedMap):
        line = document.lc.line + 1 if isinstance(document, CommentedBase) else 1
        raise _Refused([Problem(line, "", f"needs a mapping with apiVersion, kind, metadata and spec of a {KIND}")])
    plain = _plain(document)
    plain.pop(STATUS, None)
    for field, wanted in (("apiVersion", API_VERSION), ("kind", KIND)):
        if plain.get(field) != wanted:
            given = (
                f"{plain[field]!r} is not allowed" + meant(plain[field], [wanted])
                if field in plain
                else f"missing; it must be {wanted}"
            )
            raise _Refused([Problem(_line(document, (field,)), field, given)])
    try:
        return SpeechPipeline.model_validate(plain)
    except ValidationError as error:
        raise _Refused(
            [Problem(_line(document, place), shown(place), what) for place, what in problems(error, SpeechPipeline)]
        ) from error


def _plain(node: Any) -> Any:  # noqa: ANN401 - YAML can hold anything
    """Without ruamel's types, whose subclasses of int and str carry layout."""
    if isinstance(node, CommentedMap):
        return {str(key): _plain(value) for key, value in node.items()}
    if isinstance(node, CommentedSeq):
        return [_plain(value) for value in node]
    for kind in (bool, int, float, str):
        if isinstance(node, kind):
            return kind(node)
    return node


def _line(node: Any, location: Location) -> int:  # noqa: ANN401 - YAML can hold anything
    """Line of the field at ``location``, or of the nearest thing around it that stands in the document."""
    line = node.lc.line
    for part in location:
        position = _position(node, part)
        if position is None:
            break
        line, node = position, node[part]
    return int(line) + 1


def _position(node: Any, part: str | int) -> int | None:  # noqa: ANN401 - YAML can hold anything
    if not isinstance(node, CommentedMap | CommentedSeq):
        return None
    # A key that came through a merge (<<) has no position of its own.
    places = node.lc.data or {}
    return int(places[part][0]) if part in places else None
