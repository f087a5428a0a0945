"""``speechpipe simulate`` as people run it: a real process, its table, its PNG and its refusals."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from matplotlib.image import imread

RUNNER = """
import sys, typer
from importlib.machinery import PathFinder
found = PathFinder.find_spec
PathFinder.find_spec = classmethod(lambda cls, name, *rest: None if name in {without!r} else found(name, *rest))
from speechpipe_client.commands import plan, simulate
app = typer.Typer()
for command in (simulate, plan):
    command.register(app)
app(prog_name="speechpipe")
"""
JOBS = "at_seconds,work_seconds\n" + "".join(f"{second * 0.5},4\n" for second in range(1200))
PIPELINE = """
apiVersion: speechpipe.dev/v1alpha1
kind: SpeechPipeline
metadata: {name: simulated}
spec:
  gateway: {auth: {mode: none}}
  stt: {autoscaling: {minReplicas: 2, maxReplicas: 3}}
"""


def speechpipe(*words: object, cwd: Path, without: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Run the command in ``cwd``, with some packages hidden if so asked."""
    command = [sys.executable, "-c", RUNNER.format(without=without), *map(str, words)]
    environ = {**os.environ, "COLUMNS": "200", "TERM": "dumb"}
    return subprocess.run(command, capture_output=True, text=True, env=environ, cwd=cwd, timeout=120)


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """Two utterances of four seconds a second, for ten minutes."""
    path = tmp_path / "monday.csv"
    path.write_text(JOBS)
    return path


def row(printed: str, scaler: str) -> list[str]:
    """The figures of one line of the table."""
    return next(line for line in printed.splitlines() if line.startswith(scaler))[len(scaler) :].split()


def test_a_trace_gives_a_table_and_a_png(trace: Path, tmp_path: Path):
    """Waits, cost and counts are printed; the PNG beside them can be opened and is no blank."""
    done = speechpipe("simulate", trace, "--speed", 4, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "monday: 1200 utterances, 4800 s of audio in 10 min" in done.stdout
    assert "wrote simulation-monday.png" in done.stdout
    assert row(done.stdout, "speechpipe")[-1] == "0"  # none undone
    picture = imread(tmp_path / "simulation-monday.png")
    assert picture.shape[0] > 400
    assert picture.std() > 0.05


def test_others_are_compared_within_the_same_bounds(trace: Path, tmp_path: Path):
    """--compare adds KEDA + HPA and the KPA; with one worker at least and at most, all cost the same."""
    done = speechpipe("simulate", trace, "--min", 2, "--max", 2, "--compare", "--no-plot", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = [row(done.stdout, name) for name in ("speechpipe", "KEDA + HPA, tuned", "Knative KPA, tuned")]
    assert rows[0] == rows[1] == rows[2]
    assert not list(tmp_path.glob("*.png"))


def test_the_policy_comes_from_the_document_unless_the_command_line_says_otherwise(trace: Path, tmp_path: Path):
    """Three workers at most, as the document says; five with --max."""
    (tmp_path / "pipeline.yaml").write_text(PIPELINE)
    words = ("simulate", trace, "-f", "pipeline.yaml", "--no-plot", "--speed", 1)
    document = speechpipe(*words, cwd=tmp_path)
    assert document.returncode == 0, document.stderr
    assert row(document.stdout, "speechpipe")[-3] == "3"
    assert row(speechpipe(*words, "--max", 5, cwd=tmp_path).stdout, "speechpipe")[-3] == "5"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("bad.csv",), "bad.csv:3: work_seconds is 'much': not a number"),
        (("nowhere.csv",), "nowhere.csv can't be read: No such file or directory; built-in traces are constant"),
        (("monday.csv", "--min", "5", "--max", "3"), "minReplicas must not be more than maxReplicas"),
        (
            ("monday.csv", "--utilization", "170"),
            "'--utilization': Input should be less than or equal to 100",
        ),
        (("monday.csv", "-f", "fixed.yaml"), "fixed has no spec.stt.autoscaling to simulate"),
    ],
)
def test_what_is_wrong_is_named(trace: Path, tmp_path: Path, words: tuple[str, ...], says: str):
    """Exit status 2, with the line or the value, and no plot."""
    (tmp_path / "bad.csv").write_text("at_seconds,work_seconds\n1,2\n2,much\n")
    scaled = "autoscaling: {minReplicas: 2, maxReplicas: 3}"
    fixed = PIPELINE.replace("simulated", "fixed").replace(scaled, "replicas: 2")
    (tmp_path / "fixed.yaml").write_text(fixed)
    done = speechpipe("simulate", *words, cwd=tmp_path)
    assert done.returncode == 2
    assert says in " ".join(done.stderr.split())
    assert not list(tmp_path.glob("*.png"))


def test_a_plot_that_cannot_be_written_is_said_after_the_table(trace: Path, tmp_path: Path):
    """Exit status 1, and the figures are there all the same."""
    done = speechpipe("simulate", trace, "--out", "no/such/folder.png", cwd=tmp_path)
    assert done.returncode == 1
    assert "no/such/folder.png can't be written" in done.stderr
    assert row(done.stdout, "speechpipe")


def test_without_matplotlib_the_extra_is_named(trace: Path, tmp_path: Path):
    """The plot names what to install; --no-plot does without."""
    done = speechpipe("simulate", trace, cwd=tmp_path, without=("matplotlib",))
    assert done.returncode == 2
    assert "pip install 'speechpipe-operator[simulate]'" in done.stderr
    assert speechpipe("simulate", trace, "--no-plot", cwd=tmp_path, without=("matplotlib",)).returncode == 0


def test_help_shows_traces_and_examples(tmp_path: Path):
    """Both headers, the built-in names and an example to copy."""
    shown = speechpipe("simulate", "--help", cwd=tmp_path).stdout
    for words in (
        "at_seconds,work_seconds",
        "seconds,arrivals,work_seconds",
        "flash-crowd",
        "speechpipe simulate burst",
    ):
        assert words in shown
