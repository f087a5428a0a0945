"""What ``up``, ``plan`` and ``simulate`` share: finding the document, and an operator that may not be installed."""

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from speechpipe_client.commands.shared import Exit, fail

if TYPE_CHECKING:
    from speechpipe_operator.components import Plan
    from speechpipe_operator.spec import SpeechPipeline

File = Annotated[Path, typer.Option("--file", "-f", help="YAML with a SpeechPipeline; - reads standard input.")]
Name = Annotated[str | None, typer.Option("--name", help="Which pipeline, where the file holds several.")]


def read_plan(file: Path, name: str | None) -> "Plan":
    """The plan of the pipeline in ``file``.

    Raises:
        typer.Exit: 2, after saying what is wrong with the file, or that the operator is not installed.
    """
    require_operator()
    from speechpipe_operator.plan import make_plan

    return make_plan(read_pipeline(file, name))


def read_pipeline(file: Path, name: str | None) -> "SpeechPipeline":
    """The pipeline in ``file``, or the one of that name; the operator must be installed.

    Raises:
        typer.Exit: 2, after saying what is wrong with the file.
    """
    from speechpipe_operator.load import DocumentError, load_text

    try:
        text, source = (sys.stdin.read(), "stdin") if str(file) == "-" else (file.read_text("utf-8"), str(file))
        pipelines = {pipeline.metadata.name: pipeline for pipeline in load_text(text, source)}
    except (DocumentError, UnicodeDecodeError) as error:
        fail(str(error))
        raise typer.Exit(Exit.USAGE) from error
    except OSError as error:
        fail(f"{file} can't be read: {error.strerror}")
        raise typer.Exit(Exit.USAGE) from error
    if name is None and len(pipelines) == 1:
        return next(iter(pipelines.values()))
    if name not in pipelines:
        wanted = "" if name is None else f" and no {name!r}"
        fail(f"{source} holds {', '.join(sorted(pipelines))}{wanted}: choose one with --name")
        raise typer.Exit(Exit.USAGE)
    return pipelines[name]


def require_operator() -> None:
    """End with a hint where the package that runs pipelines is missing."""
    if find_spec("speechpipe_operator") is None:
        fail("this command needs speechpipe-operator: pip install 'speechpipe-operator[local]'")
        raise typer.Exit(Exit.USAGE)
