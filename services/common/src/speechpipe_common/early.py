"""Imported before anything else by each process: lets process 1 of a container be stopped while it still imports.

The kernel gives process 1 no default actions, so a SIGTERM that it does not handle is lost, and it would run on until
it is killed at the end of its grace period. ``speechpipe_common.process`` puts its own handlers in place of this one.
"""

import os
import signal


def _end(number: int, _frame: object) -> None:
    """Nothing has been begun that could be finished; the status is that of a process which the signal ended."""
    os._exit(128 + number)


if os.getpid() == 1:
    signal.signal(signal.SIGTERM, _end)
