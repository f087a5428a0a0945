"""What the operator is told through its environment."""

import re
from typing import Final

from pydantic import Field, field_validator

from speechpipe_common.settings import ProcessSettings

_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")

EXAMPLES: Final = """
Examples:

  python -m speechpipe_operator
      every namespace, with the account of the pod or the current context of KUBECONFIG

  WATCH_NAMESPACES=team-a,team-b OPERATOR_NAMESPACE=speechpipe python -m speechpipe_operator
      two namespaces, with Roles instead of a ClusterRole (operator/rbac/namespaced.yaml)

  LOG_FORMAT=human HEALTH_PORT=0 python -m speechpipe_operator
      on a terminal; health and metrics on a free port

  python -m speechpipe_operator crds apply
      make the cluster's definition of SpeechPipelines that of this version, and end; `purge` does the opposite
"""


class OperatorSettings(ProcessSettings):
    """The Speechpipe operator: keeps what SpeechPipelines describe running in a Kubernetes cluster. It finds the API
    server by the account of its pod, or else by KUBECONFIG.
    """

    watch_namespaces: str = Field(
        default="",
        description="Namespaces whose SpeechPipelines are served, separated by commas; empty: all of the cluster.",
    )
    operator_namespace: str = Field(
        default="speechpipe",
        description="Namespace of the operator itself: its Lease is there, and its pods may reach Redis.",
    )
    lease_name: str = Field(
        default="speechpipe-operator", min_length=1, description="Name of the Lease that one active operator holds."
    )
    lease_seconds: int = Field(
        default=15, ge=3, le=600, description="After so long without a sign of life the next operator takes over."
    )
    resync_seconds: float = Field(
        default=600.0,
        ge=5,
        le=86400,
        description="A pipeline is looked at again after this time though nothing has happened.",
    )
    check_seconds: float = Field(
        default=60.0,
        ge=1,
        le=3600,
        description="How often the operator looks for its permissions, optional APIs and lost events.",
    )
    workers: int = Field(default=8, ge=1, le=100, description="Pipelines that are reconciled at once.")
    max_rolling: int = Field(
        default=3,
        ge=1,
        le=1000,
        description="Pipelines whose pods an upgrade of the operator may replace at the same time.",
    )
    stall_seconds: float = Field(
        default=120.0,
        ge=5,
        le=3600,
        description="/health fails when the event loop, or one reconcile, has not moved for so long.",
    )
    redis_polling: bool = Field(
        default=True, description="Read backlogs from Redis and scale by them; false keeps every number as it is."
    )

    @field_validator("watch_namespaces", "operator_namespace")
    @classmethod
    def _named(cls, value: str) -> str:
        names = _split(value)
        if wrong := [name for name in names if not _NAMESPACE.fullmatch(name)]:
            raise ValueError(f"{wrong[0]!r} is no name of a namespace")
        if len(set(names)) < len(names):
            raise ValueError("a namespace is given once")
        return value

    @property
    def namespaces(self) -> tuple[str, ...]:
        """``watch_namespaces``, one by one; empty: all of the cluster."""
        return _split(self.watch_namespaces)


def _split(value: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.split(",") if part.strip())
