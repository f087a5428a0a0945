"""What all pods and containers have in common: Pod Security `restricted`, and a file system that can't be changed."""

from typing import Final

from speechpipe_operator.objects import Object

SERVICE_USER: Final = 10001
"""User and group of the project's own images."""

REDIS_USER: Final = 999
"""User and group of the official Valkey and Redis images."""


def pod_security(user: int) -> Object:
    """``securityContext`` of a pod; volumes belong to the user's group."""
    return {
        "runAsNonRoot": True,
        "runAsUser": user,
        "runAsGroup": user,
        "fsGroup": user,
        "fsGroupChangePolicy": "OnRootMismatch",  # else each start walks over all models
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def every_container() -> Object:
    """Fields of every container: what it may not, and that the end of its log is kept as the reason why it failed."""
    return {
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
    }
