"""``speechpipe load`` as a process, against a real pipeline with real speech, and against nothing."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from matplotlib.image import imread
from test_cli import Ended, end, start

from speechpipe_client.load.embedded import embedded, load_plan
from speechpipe_client.load.server import Process

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECONDS = 300.0
"""Far more than any of these takes: a busy machine must not fail a test."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pipeline(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[list[str], list[Process]]]:
    """A pipeline of our own: addresses of its gateway and of its processes' metrics."""
    async with embedded(load_plan("base", None), tmp_path_factory.mktemp("pipeline") / "log") as running:
        yield running


async def load(*arguments: object, seconds: float = SECONDS) -> Ended:
    """Run the command to its end."""
    return await end(await start("load", *arguments), seconds)


async def test_real_speech_over_cut_connections_is_reported_whole(
    pipeline: tuple[list[str], list[Process]], tmp_path: Path
):
    """Three streams whose connections are cut: all come back, every utterance is finalised and right, waits and costs
    of all processes are told, and what was written as JSON, page and picture is there.
    """
    urls, processes = pipeline
    costs = [part for process in processes for part in ("--metrics", f"{process.name}={process.url}")]
    files = ("--json", tmp_path / "r.json", "--html", tmp_path / "r.html", "--png", tmp_path / "r.png")
    sized = ("-n", 3, "--ramp", 1, "--hold", 15, "--drop-seconds", 5, "--drain", 200)
    ended = await load(*urls, *sized, *costs, *files)
    assert ended.code == 0, ended.out + ended.err
    stage = only_stage(tmp_path / "r.json")
    assert (stage["held"], stage["refused"], stage["failed"]) == (3, 0, 0)
    assert stage["complete"] == 1.0
    assert stage["utterances"] >= 3
    assert stage["cuts"] >= stage["resumed"] >= 1
    assert stage["word_error_rate"] <= 0.3
    assert stage["final_latency"]["p95"] == pytest.approx(stage["beyond_silence"]["p95"] + 0.8, abs=0.001)
    assert stage["first_partial"]["count"] >= 1
    assert {server["name"] for server in stage["servers"]} == {process.name for process in processes}
    assert stage["bytes_sent"] > 3 * 15 * 32_000 * 0.5
    assert "end of speech to final" in ended.out
    assert imread(tmp_path / "r.png").shape[0] > 100
    page = (tmp_path / "r.html").read_text()
    assert "data:image/png;base64," in page
    assert json.loads(page.split('id="report">')[1].split("</script>")[0])["peer"] == "speechpipe"


async def test_legacy_frames_are_heard(pipeline: tuple[list[str], list[Process]], tmp_path: Path):
    """A stream of legacy frames gets its finals from a gateway that speaks both."""
    urls, _ = pipeline
    sized = ("-n", 1, "--ramp", 0, "--hold", 8, "--drain", 200)
    ended = await load(*urls, "--peer", "legacy", *sized, "--json", tmp_path / "r.json")
    assert ended.code == 0, ended.out + ended.err
    assert only_stage(tmp_path / "r.json")["utterances"] >= 1


async def test_ctrl_c_reports_what_there_is(pipeline: tuple[list[str], list[Process]], tmp_path: Path):
    """Interrupted in the middle, a load of minutes winds up, waits for the last finals and reports."""
    urls, _ = pipeline
    path = tmp_path / "r.json"
    process = await start("load", *urls, "-n", 1, "--ramp", 0, "--hold", 500, "--drain", 200, "--json", path)
    assert process.stderr is not None
    told = b""
    async with asyncio.timeout(SECONDS):
        while b"10 of" not in told and b"final p95" not in told:
            told += await process.stderr.readline()
    process.send_signal(signal.SIGINT)
    ended = await end(process, SECONDS)
    assert "1 stream: stopped after" in ended.out, ended.err
    stage = only_stage(path)
    assert stage["stopped"]
    assert stage["seconds"] < 500


async def test_the_baseline_decodes_the_same_speech(tmp_path: Path):
    """faster-whisper alone finalises what one stream says, and waits for no silence."""
    sized = ("-n", 1, "--ramp", 0, "--hold", 8, "--drain", 200)
    ended = await load("--peer", "faster-whisper", *sized, "--json", tmp_path / "r.json")
    assert ended.code == 0, ended.out + ended.err
    stage = only_stage(tmp_path / "r.json")
    assert stage["complete"] == 1.0
    assert stage["word_error_rate"] <= 0.3
    assert stage["final_latency"] == stage["beyond_silence"]


async def test_a_search_says_what_it_found(pipeline: tuple[list[str], list[Process]], tmp_path: Path):
    """A target that any speed keeps is kept by as many streams as may be tried, each time from an idle pipeline."""
    urls, processes = pipeline
    costs = [part for process in processes for part in ("--metrics", process.url)]
    sized = ("-n", 1, "--most", 2, "--ramp", 0, "--hold", 8, "--drain", 200, "--find-capacity", 200_000)
    ended = await load(*urls, *sized, *costs, "--json", tmp_path / "r.json")
    assert ended.code == 0, ended.out + ended.err
    assert "Held with p95 within 200000 ms beyond the silence: 2 streams; more were not tried." in ended.out
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["capacity"] == 2
    assert [stage["streams"] for stage in report["stages"]] == [1, 2]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--speech", "no/such/folder"), 2, "no such folder"),
        (("--language", "sw"), 2, "nothing in sw"),
        (("--language", "nonsense"), 2, "nonsense"),
        (("--pause", "0.5"), 2, "run together"),
        (("ws://127.0.0.1:1/ws", "--engine", "batched"), 2, "loaded as it is"),
        (("ws://127.0.0.1:1/ws", "--peer", "faster-whisper"), 2, "on this machine"),
        (("ws://127.0.0.1:1/ws", "--metrics", "stt=http://127.0.0.1:1/metrics"), 2, "health port"),
        (("ws://127.0.0.1:1/ws",), 3, "no gateway at ws://127.0.0.1:1/ws"),
        (("http://127.0.0.1:1",), 1, "no ws:// or wss:// address"),
    ],
)
async def test_wrong_arguments_are_named(arguments: tuple[str, ...], code: int, words: str):
    """What can't work ends at once, with its reason and what to do."""
    ended = await load(*arguments)
    assert (ended.code, words in " ".join(ended.err.split())) == (code, True), ended.err


async def test_a_bad_manifest_is_named(tmp_path: Path):
    """A manifest that is no list of files says so, and what it should be."""
    (tmp_path / "manifest.json").write_text('{"clips": []}')
    ended = await load("--speech", tmp_path)
    assert ended.code == 2
    assert "can't be used as a manifest" in ended.err


def only_stage(path: Path) -> dict[str, Any]:
    """The one load of a report."""
    (stage,) = json.loads(path.read_text())["stages"]
    return dict(stage)
