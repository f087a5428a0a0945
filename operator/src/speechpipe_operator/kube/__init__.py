"""The only room that talks to the Kubernetes API: connection, verbs, kinds, errors. Objects are JSON."""

from kubernetes.aio.client import ApiClient

from speechpipe_operator.kube.api import ABSENT, KubeApi
from speechpipe_operator.kube.capabilities import Capabilities, discover
from speechpipe_operator.kube.connect import NoCluster, connect
from speechpipe_operator.kube.errors import (
    Call,
    Conflict,
    Forbidden,
    Invalid,
    KindMissing,
    KubeError,
    NamespaceMissing,
    NotFound,
    Unauthorized,
    Unavailable,
)
from speechpipe_operator.kube.kinds import KINDS, Kind, kind_of
from speechpipe_operator.kube.retry import Retry
from speechpipe_operator.kube.scale import Scale, Workload, annotate_pod, apply_scale, get_scale
from speechpipe_operator.kube.transport import Guard, OnCall

__all__ = [
    "ABSENT",
    "KINDS",
    "ApiClient",
    "Call",
    "Capabilities",
    "Conflict",
    "Forbidden",
    "Guard",
    "Invalid",
    "Kind",
    "KindMissing",
    "KubeApi",
    "KubeError",
    "NamespaceMissing",
    "NoCluster",
    "NotFound",
    "OnCall",
    "Retry",
    "Scale",
    "Unauthorized",
    "Unavailable",
    "Workload",
    "annotate_pod",
    "apply_scale",
    "connect",
    "discover",
    "get_scale",
    "kind_of",
]
