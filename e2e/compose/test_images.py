"""Every image, as an engine runs it."""

import pytest
from engine import CommandError, docker, inspect, until
from image_list import IMAGES  # type: ignore[import-not-found]  # of scripts

ALL = [name for name, image in IMAGES.items() if image.by_default]
SERVICES = ("gateway", "stt", "translation", "operator")
LOCKED = ("--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--network=none")
"""As a pod under Pod Security `restricted` runs, with a root file system that can't be written besides."""

LEFT_BEHIND = """
for name in pip pip3 gcc cc make ld buildah; do
  command -v $name && echo "$name is a command"
done
find / -xdev \\( -name 'pip' -path '*-packages/*' -o -path '/var/lib/apt/lists/*_Packages*' -o -name '*.whl' \
  -o -path '*/.cache/*' -o -path '/var/cache/apt/archives/*.deb' \\) -print 2>/dev/null
true
"""


def started(reference: str, *command: str, options: tuple[str, ...] = ()) -> str:
    """What a container prints that runs locked in."""
    program, *arguments = command
    return docker("run", "--rm", *LOCKED, *options, f"--entrypoint={program}", reference, *arguments)


@pytest.mark.parametrize("name", ALL)
def test_an_image_is_small_and_says_what_it_is(loaded: dict[str, str], name: str) -> None:
    """Layers unpacked stay within the bound, the user is a number other than root's, labels name the version."""
    image = inspect("image", loaded[name])
    config = image["Config"]
    assert image["Size"] <= IMAGES[name].megabytes * 1_000_000
    user, _, group = config["User"].partition(":")
    assert int(user) == int(group) == (999 if name == "valkey" else 10001)
    labels = {key.removeprefix("org.opencontainers.image."): value for key, value in config["Labels"].items()}
    assert labels["title"]
    assert labels["description"]
    assert loaded[name].endswith(f":{labels['version']}")
    assert len(labels["revision"]) == 40


@pytest.mark.parametrize("name", ALL)
def test_a_process_of_an_image_is_its_own_first(loaded: dict[str, str], name: str) -> None:
    """No shell stands between the engine's signals and the process, and health is left to who runs it."""
    config = inspect("image", loaded[name])["Config"]
    assert config.get("Healthcheck") is None
    command = [*(config["Entrypoint"] or []), *(config["Cmd"] or [])]
    assert "sh" not in command or name.startswith("model-")


@pytest.mark.parametrize("name", ALL)
def test_nothing_that_builds_is_left_in_an_image(loaded: dict[str, str], name: str) -> None:
    """There is no compiler, no pip, no package list and no cache."""
    assert started(loaded[name], "sh", "-c", LEFT_BEHIND, options=("--user=0:0",)) == ""


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_starts_with_a_locked_root(loaded: dict[str, str], name: str) -> None:
    """All that it imports is there, and nothing has to be written for that."""
    assert "LOG_LEVEL" in docker("run", "--rm", *LOCKED, loaded[name], "--help")


@pytest.mark.parametrize("name", SERVICES)
def test_the_code_is_compiled_already(loaded: dict[str, str], name: str) -> None:
    """A worker that is started for a burst compiles nothing, which a locked root could not keep."""
    code = (
        "import importlib.util as u, pathlib, sys; import aiohttp, speechpipe_common.logs as m;"
        "print([n for n, m in sys.modules.items() if getattr(m, '__cached__', None) and '/opt/' in m.__file__"
        " and not pathlib.Path(m.__cached__).exists()])"
    )
    assert started(loaded[name], "python", "-c", code).strip() == "[]"


@pytest.mark.parametrize("name", SERVICES)
def test_a_process_that_still_starts_can_be_stopped(loaded: dict[str, str], name: str) -> None:
    """SIGTERM ends process 1 also before its event loop runs; by default the kernel would keep that from it."""
    code = "import speechpipe_common.early, signal; print('begun', flush=True); [signal.pause() for _ in iter(int, 1)]"
    options = ("--detach", *LOCKED, "--entrypoint=python")
    container = docker("run", *options, loaded[name], "-c", code).strip()
    try:
        until(lambda: "begun" in docker("logs", container), "the process to begin")
        docker("kill", "--signal=TERM", container)
        assert docker("wait", container).strip() == "143"
    finally:
        docker("rm", "--force", container)


def test_the_gateway_has_no_torch(loaded: dict[str, str]) -> None:
    """It reads Silero's model with ONNX Runtime alone."""
    with pytest.raises(CommandError, match="No module named 'torch'"):
        started(loaded["gateway"], "python", "-c", "import torch")


@pytest.mark.parametrize("model", ["whisper-tiny.en", "whisper-base"])
def test_a_model_image_fills_an_empty_volume(loaded: dict[str, str], model: str) -> None:
    """The command of the operator's init container copies a whole model, which STT then loads without a network."""
    volume = docker("volume", "create").strip()
    copying = ("/bin/sh", "-c", 'exec cp -R "$0"/. /run/speechpipe/models/', "/weights")
    code = (
        "from speechpipe_stt.models import load; from speechpipe_stt.settings import SttSettings;"
        f"print(type(load(SttSettings(model_size='/models/{model}', device='cpu'))).__name__)"
    )
    try:
        # A new volume is root's; a pod's fsGroup gives it to the pod.
        mount = f"--volume={volume}:/run/speechpipe/models"
        started(loaded[f"model-{model}"], *copying, options=(mount, "--user=0:10001", "--cap-add=DAC_OVERRIDE"))
        options = (f"--volume={volume}:/models:ro",)
        assert started(loaded["stt"], "python", "-c", code, options=options).strip() == "FasterWhisperEngine"
    finally:
        docker("volume", "rm", volume)
