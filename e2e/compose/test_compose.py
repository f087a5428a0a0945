"""compose.yaml: a whole pipeline on one host, with three STT workers."""

import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import yaml
from conftest import WORKERS
from engine import PATIENCE_SECONDS, ROOT, CommandError, Stack, compose_command, docker, inspect, run, until

SERVICES = {"redis": 1, "gateway": 1, "stt": WORKERS, "translation": 1}
SPEECHPIPE = str(Path(sys.executable).with_name("speechpipe"))
CLIPS = ("en/quick_brown_fox", "en/hello_world")


@pytest.fixture
def ready(stack: Stack) -> Stack:
    """The pipeline, each of its containers ready."""
    for service, count in SERVICES.items():
        until(partial(stack.healthy, service, count), f"{count} of {service} to be ready")
    return stack


def address(stack: Stack, port: int) -> str:
    """Where this host finds a port of the gateway."""
    (name,) = stack.containers("gateway")
    return docker("port", name, f"{port}/tcp").splitlines()[0]


def test_speech_becomes_captions_and_translations(ready: Stack, loaded: dict[str, str]) -> None:
    """What three people say at once, on this host and in a container, comes back as they said it, and in Spanish."""
    wish = ["--clip", CLIPS[0], "--clip", CLIPS[1], "--target", "es", "--timeout", str(PATIENCE_SECONDS)]
    outside = [SPEECHPIPE, "verify", "--url", f"ws://{address(ready, 5026)}/ws", *wish]
    network = f"--network={ready.project}_default"
    inside = ["docker", "run", "--rm", "--read-only", "--tmpfs=/tmp", network, loaded["client"], "verify"]
    inside += ["--url", "ws://gateway:5026/ws", *wish]
    commands = [outside, outside, inside]
    playing = [
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for command in commands
    ]
    said = [process.communicate(timeout=2 * PATIENCE_SECONDS)[0] for process in playing]
    assert [process.returncode for process in playing] == [0, 0, 0], "\n".join(said)


def test_every_worker_takes_part(ready: Stack) -> None:
    """Each of the three is a consumer of its own in the group."""
    consumers = json.loads(ready.redis("--json", "XINFO", "CONSUMERS", "audio_jobs", "stt_workers"))
    assert len(consumers) == WORKERS


def test_redis_keeps_everything(ready: Stack) -> None:
    """Nothing is evicted, and what was written survives a restart."""
    assert ready.redis("CONFIG", "GET", "maxmemory-policy").split() == ["maxmemory-policy", "noeviction"]
    assert ready.redis("CONFIG", "GET", "appendonly").split() == ["appendonly", "yes"]
    ready.redis("SET", "kept", "yes")
    ready.compose("restart", "redis")
    until(lambda: ready.healthy("redis", 1), "Redis to be back")
    assert ready.redis("GET", "kept") == "yes"


@pytest.mark.parametrize("service", SERVICES)
def test_a_container_is_locked_in(ready: Stack, service: str) -> None:
    """It is not root, has no capability, and can't write to its root."""
    name = ready.containers(service)[0]
    status = docker("exec", name, "sh", "-c", "id -u; grep CapEff /proc/1/status; grep NoNewPrivs /proc/1/status")
    assert status.split() == ["999" if service == "redis" else "10001", "CapEff:", "0" * 16, "NoNewPrivs:", "1"]
    with pytest.raises(CommandError, match="Read-only file system"):
        docker("exec", name, "sh", "-c", "echo x >/etc/written")


def test_the_service_is_the_first_process(ready: Stack) -> None:
    """Signals of the engine reach Python itself, which is process 1."""
    for service in ("gateway", "stt", "translation"):
        arguments = docker("exec", ready.containers(service)[0], "cat", "/proc/1/cmdline").split("\0")
        assert arguments[0].rpartition("/")[2] == "python"


def test_everybody_ends_in_good_order(ready: Stack) -> None:
    """SIGTERM is enough: each ends by itself with status 0 (the last test, since it stops the pipeline)."""
    patience = str(int(PATIENCE_SECONDS))  # more than compose.yaml's, for a busy machine
    ready.compose("stop", "--timeout", patience, "gateway", "stt", "translation")
    ready.compose("stop", "--timeout", patience, "redis")
    ends = {
        f"{service} {name[:12]}": inspect("container", name)["State"]["ExitCode"]
        for service in SERVICES
        for name in ready.containers(service)
    }
    assert set(ends.values()) == {0}, ends


def test_down_leaves_nothing(stack: Stack) -> None:
    """Containers and networks go; what Redis kept stays until it is told otherwise."""
    stack.compose("down")
    assert [name for service in SERVICES for name in stack.containers(service)] == []
    mine = f"--filter=label=com.docker.compose.project={stack.project}"
    assert docker("network", "ls", "--quiet", mine) == ""
    assert len(docker("volume", "ls", "--quiet", mine).split()) == 2
    stack.compose("down", "--volumes")
    assert docker("volume", "ls", "--quiet", mine) == ""


def test_the_variant_for_gpus_asks_for_one() -> None:
    """compose.gpu.yaml puts STT on a GPU, with the image that has CUDA's libraries."""
    files = ("-f", "compose.yaml", "-f", "compose.gpu.yaml")
    stt = yaml.safe_load(run(*compose_command(), *files, "config"))["services"]["stt"]
    assert stt["image"].endswith("-cuda")
    assert stt["environment"]["DEVICE"] == "cuda"
    assert stt["deploy"]["resources"]["reservations"]["devices"][0]["capabilities"] == ["gpu"]
