"""Imported before anything else by each process, for what has to be settled before other imports.

Process 1 of a container can be stopped while it still imports: the kernel gives process 1 no default actions, so a
SIGTERM that it does not handle is lost, and it would run on until it is killed at the end of its grace period.
``speechpipe_common.process`` puts its own handlers in place of this one.

numpy multiplies on one thread. Its matrices are small here: more threads are no faster (mel features of 5 s: 0.8 ms
either way), and between two products all of them spin, one on each core of the machine.
"""

import os
import signal


def _end(number: int, _frame: object) -> None:
    """Nothing has been begun that could be finished; the status is that of a process which the signal ended."""
    os._exit(128 + number)


os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

if os.getpid() == 1:
    signal.signal(signal.SIGTERM, _end)
