"""Every program of the client's pages, and the examples, on a real pipeline with real speech."""

import doctest
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile

from speechpipe_client.background import Background
from speechpipe_client.demo.pipeline import demo_plan
from speechpipe_common.downloads import ASSETS, fetch
from speechpipe_operator.local import LocalOptions, LocalPipeline

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "docs" / "client.md", ROOT / "clients" / "README.md", ROOT / "README.md")
EXAMPLE_FOLDER = ROOT / "examples" / "python"
COPIES = ("again.wav", "more.wav")
EXAMPLES: Mapping[str, Sequence[str]] = {
    "file_to_srt": ["talk.wav", "--language", "en", "--translate", "es"],
    "live_microphone": ["--language", "en", "--translate", "es"],
    "script": [],
    "many_files": [*COPIES, "notes.wav", "--at-once", "2"],
}
"""The programs in that folder, and what they are given."""
PLAYER = Path(__file__).with_name("player")
ADDRESS = "ws://127.0.0.1:5026/ws"
PATIENCE = 300.0
AT_ONCE = 4

BLOCK = re.compile(r"```python\n(?P<code>.*?)```\n\n```text\n(?P<prints>.*?)```", re.DOTALL)
SAID = ("Hello world.", "The quick brown fox jumps over the lazy dog.")


@dataclass(frozen=True)
class Snippet:
    """A program of a page, and what the page says that it prints."""

    name: str
    code: str
    prints: str


def snippets() -> Iterator[Snippet]:
    """All of them."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for match in BLOCK.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            yield Snippet(f"{page.relative_to(ROOT)}:{line}", match["code"], match["prints"])


SNIPPETS = list(snippets())


@dataclass(frozen=True)
class Ended:
    """How a program ended."""

    code: int
    out: str
    err: str


class Silent:
    """Keeps a pipeline's log for a failure's report."""

    def line(self, source: str, text: str) -> None:
        """Pytest shows what a failed test printed."""
        print(f"{source} | {text}")  # noqa: T201


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a pipeline of our own, with translation."""
    options = LocalOptions(data_dir=tmp_path_factory.mktemp("pipeline"), any_port=True)
    pipeline = LocalPipeline(demo_plan(translation=True), options, Silent())
    with Background() as background:
        background.run(pipeline.__aenter__())
        yield pipeline.gateway_url
        background.run(pipeline.__aexit__(None, None, None))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the programs run: ``talk.wav`` with two sentences, and the same as raw audio."""
    made = tmp_path_factory.mktemp("programs")
    clips = [
        soundfile.read(fetch(ASSETS["audioeval"]) / "en" / f"{name}.wav", dtype="float32")
        for name in ("hello_world", "quick_brown_fox")
    ]
    pause = np.zeros(round(1.5 * clips[0][1]), np.float32)
    speech = np.concatenate([piece for samples, _ in clips for piece in (samples, pause)])
    soundfile.write(made / "talk.wav", speech, clips[0][1], subtype="PCM_16")
    (made / "talk.s16").write_bytes((np.rint(np.clip(speech, -1, 1) * 32_767)).astype("<i2").tobytes())
    return made


def run(command: Sequence[str], folder: Path, url: str, stdin: bytes = b"") -> Ended:
    """Run a program to its end."""
    done = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env={**os.environ, "SPEECHPIPE_URL": url, "PYTHONPATH": str(PLAYER)},
        input=stdin,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    return Ended(done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.fixture(scope="module")
def ended(url: str, folder: Path) -> Iterator[Mapping[str, Future[Ended]]]:
    """How each snippet and example ends; a few run at a time."""
    for name in COPIES:
        (folder / name).write_bytes((folder / "talk.wav").read_bytes())
    (folder / "notes.wav").write_text("no audio")
    raw = (folder / "talk.s16").read_bytes()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        programs = {
            snippet.name: pool.submit(run, ["-c", snippet.code.replace(ADDRESS, url)], folder, url)
            for snippet in SNIPPETS
        }
        for name, arguments in EXAMPLES.items():
            command = [str(EXAMPLE_FOLDER / f"{name}.py"), *arguments]
            programs[name] = pool.submit(run, command, folder, url, raw)
        listen = [str(Path(sys.executable).with_name("speechpipe")), "listen", "--source", "en", "--target", "es"]
        programs["listen"] = pool.submit(run, listen, folder, url)
        yield programs
        pool.shutdown(cancel_futures=True)


def seen(output: str) -> list[str]:
    """The lines that a terminal shows in the end: without what a carriage return let be overwritten."""
    return [line.rpartition("\r")[2].rpartition("\x1b[K")[2] for line in output.split("\n")]


def words(line: str) -> str:
    """Without case and punctuation, by which one machine's arithmetic may differ from another's."""
    return " ".join(re.findall(r"\.\.\.|\w+", line.lower()))


def alike(expected: str, line: str) -> bool:
    """``...`` stands for anything, as in doctest."""
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    return doctest.OutputChecker().check_output(f"{words(expected)}\n", f"{words(line)}\n", flags)


def assert_prints(expected: str, output: str) -> None:
    """Every line that is expected, and no other, unless ``...`` alone stands for more of them.

    In any order: how a final, the next onset and a translation follow each other is a matter of how fast a machine is.
    """
    lines = [line for line in seen(output) if words(line)]
    wanted = [line for line in expected.split("\n") if words(line)]
    for want in wanted:
        if want == "...":
            continue
        found = [line for line in lines if alike(want, line)]
        assert found, f"{want!r} is missing; expected\n{expected}\nprinted\n{output}"
        lines.remove(found[0])
    assert lines == [] or "..." in wanted, f"expected\n{expected}\nprinted\n{output}"


@pytest.mark.parametrize("name", [snippet.name for snippet in SNIPPETS])
def test_a_program_of_a_page_prints_what_the_page_says(name: str, ended: Mapping[str, Future[Ended]]):
    """Each block of Python is a whole program; what it prints is what stands below it."""
    snippet = next(snippet for snippet in SNIPPETS if snippet.name == name)
    outcome = ended[name].result(PATIENCE)
    assert outcome.code == 0, outcome.err
    assert_prints(snippet.prints, outcome.out)


def test_every_block_of_python_is_run():
    """No program on the pages is left out for want of an output below it."""
    blocks = sum(page.read_text(encoding="utf-8").count("```python\n") for page in PAGES)
    assert len(SNIPPETS) == blocks


def test_every_example_is_run():
    """No program of the folder is left out."""
    assert {path.stem for path in EXAMPLE_FOLDER.glob("*.py")} == set(EXAMPLES)


def test_file_to_srt(ended: Mapping[str, Future[Ended]]):
    """Subtitles of a translation, on standard output alone."""
    outcome = ended["file_to_srt"].result(PATIENCE)
    assert outcome.code == 0, outcome.err
    assert_prints(
        "1\n00:00:... --> 00:00:...\nHola mundo.\n\n2\n00:00:... --> 00:00:...\nEl zorro ...\n...", outcome.out
    )


def test_file_to_srt_of_a_missing_file(folder: Path):
    """What is wrong is one line, and no traceback."""
    outcome = run([str(EXAMPLE_FOLDER / "file_to_srt.py"), "none.wav"], folder, "ws://127.0.0.1:9/ws")
    assert (outcome.code, outcome.out, outcome.err) == (1, "", "none.wav: there is no such file\n")


def test_live_microphone(ended: Mapping[str, Future[Ended]]):
    """Captions come while somebody speaks into the microphone, and the last ones after Ctrl-C."""
    outcome = ended["live_microphone"].result(PATIENCE)
    assert outcome.code == 0, outcome.err
    assert_prints(f"{SAID[0]}\n[es] Hola mundo.\n{SAID[1]}\n[es] El zorro ...", outcome.out)
    assert "Listening to a microphone for tests; Ctrl-C ends." in outcome.err


def test_listen(ended: Mapping[str, Future[Ended]]):
    """The command does the same: each final with its translation on standard output; Ctrl-C waits for the last."""
    outcome = ended["listen"].result(PATIENCE)
    assert outcome.code == 0, outcome.err
    assert_prints(f"{SAID[0]}\n[es] Hola mundo.\n{SAID[1]}\n[es] El zorro ...", outcome.out)
    assert outcome.err == "Listening to a microphone for tests; Ctrl-C ends.\n"


def test_script(ended: Mapping[str, Future[Ended]]):
    """Raw audio from a pipe, without async."""
    outcome = ended["script"].result(PATIENCE)
    assert outcome.code == 0, outcome.err
    assert_prints(f"... {SAID[0]}\n... {SAID[1]}", outcome.out)


def test_many_files(ended: Mapping[str, Future[Ended]], folder: Path):
    """Files at once, each over a session of its own; one that is no audio fails alone."""
    outcome = ended["many_files"].result(PATIENCE)
    assert outcome.code == 1
    assert "notes.wav: not audio that can be read" in outcome.err
    for name in COPIES:
        assert words((folder / name).with_suffix(".txt").read_text()) == words(" ".join(SAID))
