"""``speechpipe-stt``: the STT worker process; settings come from the environment, ``--help`` lists them."""

import sys

import speechpipe_common.early  # noqa: F401 - before what takes long
from speechpipe_common.settings import load
from speechpipe_stt.settings import SttSettings
from speechpipe_stt.worker import run


def main() -> None:
    """Read the settings, work until SIGTERM, and exit with the process's status."""
    sys.exit(run(load(SttSettings, sys.argv[1:])))


if __name__ == "__main__":
    main()
