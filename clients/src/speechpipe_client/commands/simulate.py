"""``speechpipe simulate``: what the autoscaler would have done."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from speechpipe_client.commands.documents import Name, read_pipeline, require_operator
from speechpipe_client.commands.shared import Exit, fail
from speechpipe_client.commands.simulation import Scaling, play

if TYPE_CHECKING:
    from speechpipe_operator.simulate.stage import Stage
    from speechpipe_operator.simulate.trace import Trace

EPILOG = """
TRACE is a built-in trace or a CSV file, with one of these headers:

  at_seconds,work_seconds           one line for each utterance: when it arrives, seconds of audio

  seconds,arrivals,work_seconds     one line for each interval: its begin, utterances, their audio together

Built-in: constant, diurnal, burst, heavy-tail, sawtooth, call-center, flash-crowd, conference, ramp, light.

Examples:

  speechpipe simulate burst

  speechpipe simulate monday.csv -f pipeline.yaml --drain-seconds 5 --out monday.png

  speechpipe simulate flash-crowd --max 30 --compare

Exit codes: 0 done; 1 the plot could not be written; 2 wrong arguments, trace or document.
"""

File = Annotated[
    Path | None, typer.Option("--file", "-f", help="Take the policy from spec.stt.autoscaling of this document.")
]


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(epilog=EPILOG)
    def simulate(
        trace: Annotated[str, typer.Argument(metavar="TRACE", help="CSV file, or name of a built-in trace.")],
        file: File = None,
        name: Name = None,
        least: Annotated[
            int | None, typer.Option("--min", min=0, max=1000, help="Fewest workers. (default: the document)")
        ] = None,
        most: Annotated[
            int | None, typer.Option("--max", min=1, max=1000, help="Most workers; 20 without a document.")
        ] = None,
        drain_seconds: Annotated[
            int | None,
            typer.Option(min=1, max=3600, help="Work a backlog off within this. (default: the document)"),
        ] = None,
        utilization: Annotated[
            int | None,
            typer.Option(min=10, max=100, help="Percent of time that a worker is busy. (default: the document)"),
        ] = None,
        stabilization_seconds: Annotated[
            int | None, typer.Option(min=0, max=3600, help="Fewer were enough for so long. (default: the document)")
        ] = None,
        speed: Annotated[
            float, typer.Option(min=0.01, help="Audio-seconds that the simulated worker does in a busy second.")
        ] = 2.0,
        startup_seconds: Annotated[
            float, typer.Option(min=0, max=3600, help="Mean time until a new worker is ready; it is paid for.")
        ] = 45.0,
        batch: Annotated[int, typer.Option(min=1, max=64, help="Most utterances that a worker takes at a time.")] = 1,
        gpus: Annotated[int | None, typer.Option(min=0, help="Workers that fit on the nodes; default: any.")] = None,
        out: Annotated[
            Path | None, typer.Option(help="PNG to write; default: simulation-TRACE.png in this folder.")
        ] = None,
        no_plot: Annotated[bool, typer.Option("--no-plot", help="Only the table; needs no matplotlib.")] = False,
        compare: Annotated[
            bool, typer.Option("--compare", help="Also models of KEDA + HPA and of Knative's KPA.")
        ] = False,
    ) -> None:
        """Replay arrivals through the autoscaler: how long speech waits, what workers cost, and a plot of both."""
        require_operator()
        given = {
            "min_replicas": least,
            "max_replicas": most,
            "drain_seconds": drain_seconds,
            "utilization_percent": utilization,
            "stabilization_seconds": stabilization_seconds,
        }
        scaling = Scaling.of(
            None if file is None else read_pipeline(file, name),
            {field: value for field, value in given.items() if value is not None},
        )
        stage = _stage(speed, startup_seconds, batch, gpus)
        found = _trace(trace)
        target = None if no_plot else out or Path(f"simulation-{found.name}.png")
        play(found, stage, scaling, target, compare=compare)


def _stage(speed: float, startup_seconds: float, batch: int, gpus: int | None) -> "Stage":
    from speechpipe_operator.simulate.stage import Stage

    return Stage(speed=speed, startup_seconds=startup_seconds, batch=batch, gpus=gpus)


def _trace(given: str) -> "Trace":
    from speechpipe_operator.simulate.builtin import TUNING, UNSEEN, named
    from speechpipe_operator.simulate.trace import TraceError, read

    if given in TUNING + UNSEEN:
        return named(given)
    try:
        return read(Path(given))
    except TraceError as error:
        fail(str(error))
    except OSError as error:
        known = ", ".join(TUNING + UNSEEN)
        fail(f"{given} can't be read: {error.strerror}; built-in traces are {known}")
    raise typer.Exit(Exit.USAGE)
