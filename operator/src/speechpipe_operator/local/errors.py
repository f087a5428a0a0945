"""What can go wrong when a pipeline is started on one machine."""


class LocalError(Exception):
    """A pipeline can't run here; the message says why and what to do."""


class PortsInUse(LocalError):
    """Ports that the pipeline needs are taken."""


class AlreadyRunning(LocalError):
    """A pipeline of this name runs on this data directory."""


class StartFailed(LocalError):
    """A component did not become ready."""
