"""Runs a planned pipeline as processes of one machine.

``LocalPipeline`` is the Python API, ``up.run`` what the ``speechpipe up`` command does.
"""

from speechpipe_operator.local.errors import AlreadyRunning, LocalError, PortsInUse, StartFailed
from speechpipe_operator.local.lines import Log, PrefixLog
from speechpipe_operator.local.pipeline import LocalOptions, LocalPipeline

__all__ = [
    "AlreadyRunning",
    "LocalError",
    "LocalOptions",
    "LocalPipeline",
    "Log",
    "PortsInUse",
    "PrefixLog",
    "StartFailed",
]
