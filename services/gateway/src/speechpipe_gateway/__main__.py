"""``speechpipe-gateway``: the gateway process; settings come from the environment, ``--help`` lists them."""

import sys

import speechpipe_common.early  # noqa: F401 - before what takes long
from speechpipe_common.settings import load
from speechpipe_gateway.settings import GatewaySettings


def main() -> None:
    """Read the settings, serve until SIGTERM, and exit with the process's status."""
    settings = load(GatewaySettings, sys.argv[1:])
    # Here, so that bad settings are refused before the second that these imports take.
    from speechpipe_gateway.app.main import run

    sys.exit(run(settings))


if __name__ == "__main__":
    main()
