"""``speechpipe up``, ``plan`` and ``doctor`` as people run them: real processes, real exit codes."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "local.yaml"
RUNNER = """
import sys, typer
sys.path[:] = [place for place in sys.path if not any(word in place for word in {without!r})]
from speechpipe_client.commands import doctor, plan, up
app = typer.Typer()
for command in (up, plan, doctor):
    command.register(app)
app(prog_name="speechpipe")
"""


def speechpipe(
    *words: str, stdin: str = "", path: str | None = None, without: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    """Run the command, with another PATH or without some of the repository's members if so asked."""
    environ = {**os.environ, "COLUMNS": "200", "TERM": "dumb"} | ({} if path is None else {"PATH": path})
    command = [sys.executable, "-c", RUNNER.format(without=without), *words]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, env=environ, timeout=120)


def test_plan_shows_what_would_run() -> None:
    """The example's components are shown with their commands, ports and settings."""
    done = speechpipe("plan", "-f", str(EXAMPLE))
    assert done.returncode == 0
    for line in (
        "redis x1: valkey-server (redis 6379)",
        "gateway x1: python -m speechpipe_gateway (ws 5026, health 8080)",
        "stt x1: python -m speechpipe_stt (health 8081)",
        "    MODEL_SIZE=base",
        "    maxmemory-policy noeviction",
    ):
        assert line in done.stdout.splitlines()


def test_plan_shows_who_scales() -> None:
    """Where the number changes in a cluster, its bounds and who changes it stand beside the number to begin with."""
    done = speechpipe("plan", "-f", str(EXAMPLE.with_name("cluster.yaml")))
    assert done.returncode == 0, done.stderr
    shown = [line.partition(":")[0] for line in done.stdout.splitlines() if not line.startswith(" ")]
    assert shown == [
        "redis x1",
        "gateway x2 (external, 2 to 6)",
        "stt x1 (auto, 0 to 4)",
        "translation x1 (auto, 0 to 4)",
    ]
    plain = json.loads(speechpipe("plan", "-f", str(EXAMPLE.with_name("cluster.yaml")), "--json").stdout)
    assert plain["components"][2]["pods"]["gpu"]["resourceName"] == "nvidia.com/gpu"


def test_plan_reads_standard_input_and_prints_json() -> None:
    """A piped document gives the plan as JSON, without the password of an external Redis."""
    text = EXAMPLE.read_text().replace("    managed:", "    external: {url: 'redis://:hush@r:1'}\n  #")
    text = text.replace("      memory: 512Mi", "").replace("      persistence: everysec", "")
    done = speechpipe("plan", "-f", "-", "--json", stdin=text)
    assert done.returncode == 0, done.stderr
    names = [component["name"] for component in json.loads(done.stdout)["components"]]
    assert names == ["gateway", "stt", "translation"]
    assert "hush" not in done.stdout


def test_a_bad_document_is_refused_by_line() -> None:
    """Exit status 2, and the file, line and field on standard error."""
    done = speechpipe("up", "-f", "-", stdin=EXAMPLE.read_text().replace("    model: base", "    modle: base"))
    assert done.returncode == 2
    assert "unknown field; did you mean model?" in done.stderr
    assert "stdin:" in done.stderr


def test_one_of_several_pipelines_is_chosen_by_name() -> None:
    """A file with two pipelines asks for --name, lists what it has, and takes the one that is named."""
    both = EXAMPLE.read_text() + "---\n" + EXAMPLE.read_text().replace("  name: local", "  name: other")
    unnamed = speechpipe("plan", "-f", "-", stdin=both)
    assert unnamed.returncode == 2
    assert "stdin holds local, other: choose one with --name" in unnamed.stderr
    assert json.loads(speechpipe("plan", "-f", "-", "--name", "other", "--json", stdin=both).stdout)["name"] == "other"
    assert "and no 'third'" in speechpipe("plan", "-f", "-", "--name", "third", stdin=both).stderr


@pytest.mark.parametrize("words", [["-f", "/no/such/file.yaml"], ["-f", str(EXAMPLE), "--host", "everywhere"]])
def test_wrong_arguments_are_refused(words: list[str]) -> None:
    """A missing file and a host that is no address end with status 2 and are named."""
    done = speechpipe("up", *words)
    assert done.returncode == 2
    assert words[-1] in done.stderr


def test_up_refuses_a_port_in_use(tmp_path: Path) -> None:
    """A taken port ends ``up`` with status 1 before anything starts, and is named with its use and a way out."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        text = EXAMPLE.read_text().replace("port: 5026", f"port: {port}")
        done = speechpipe("up", "-f", "-", "--data-dir", str(tmp_path / "data"), stdin=text)
    assert done.returncode == 1
    assert f"port {port} (gateway ws)" in done.stderr
    assert "--any-port" in done.stderr
    assert done.stdout == ""


def test_commands_without_the_operator_say_what_to_install() -> None:
    """Where only the client is installed, ``up`` names the package that is missing."""
    done = speechpipe("up", "-f", str(EXAMPLE), without=("/operator",))
    assert done.returncode == 2
    assert "pip install 'speechpipe-operator[local]'" in done.stderr


def test_doctor_names_what_is_missing_and_the_command_that_mends_it() -> None:
    """Without the gateway's package doctor exits 1 and says how to install it; without apertium it does not fail."""
    done = speechpipe("doctor", "--json", without=("services/gateway",))
    findings = {finding["name"]: finding for finding in json.loads(done.stdout)}
    assert done.returncode == 1
    assert findings["services"]["status"] == "missing"
    assert findings["services"]["mend"] == "pip install 'speechpipe-gateway'"
    bare = speechpipe("doctor", "--json", path="/nonexistent")
    apertium = {finding["name"]: finding for finding in json.loads(bare.stdout)}["apertium"]
    assert bare.returncode == 0
    assert (apertium["status"], apertium["mend"].split("   ")[0]) == (
        "optional",
        "apt install apertium apertium-eng-spa",
    )


def test_doctor_sees_a_taken_port() -> None:
    """A port of the example that is in use is named with its holder."""
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind(("127.0.0.1", 8082))
            taken.listen()
        except OSError:
            pass  # someone else holds it, which serves as well
        done = speechpipe("doctor")
    assert "in use: " in done.stdout
    assert "8082 (translation health" in done.stdout
    assert "Valkey server v=" in done.stdout
