"""``speechpipe-operator``: the operator's process; settings come from the environment, ``--help`` lists them.

With ``crds`` or ``purge`` as its first word it does that once instead.
"""

import sys

import speechpipe_common.early  # noqa: F401 - before what takes long
from speechpipe_common.settings import load
from speechpipe_common.settings_text import help_text
from speechpipe_operator.install import commands
from speechpipe_operator.runtime.main import serve
from speechpipe_operator.runtime.settings import EXAMPLES, OperatorSettings


def main() -> None:
    """Read the settings, serve until SIGTERM, and exit with the process's status."""
    if sys.argv[1:2] and sys.argv[1] in commands.COMMANDS:
        sys.exit(commands.main(sys.argv[1:]))
    if "--help" in sys.argv[1:] or "-h" in sys.argv[1:]:
        sys.stdout.write(help_text(OperatorSettings) + EXAMPLES)
        sys.exit(0)
    sys.exit(serve(load(OperatorSettings, sys.argv[1:])))


if __name__ == "__main__":
    main()
