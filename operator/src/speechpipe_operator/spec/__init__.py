"""The ``SpeechPipeline`` resource as types: the one source of its shape, for the CRD and for one machine alike.

No field is a float (the API server compares them badly): durations and shares are integers with their unit in the name.
"""

from speechpipe_operator.spec.auth import Auth, Jwks
from speechpipe_operator.spec.autoscaling import Autoscaling, GatewayAutoscaling
from speechpipe_operator.spec.base import SecretKey, bytes_of
from speechpipe_operator.spec.exposure import (
    HttpRoute,
    Ingress,
    NetworkPolicies,
    ParentRef,
    ServiceExposure,
)
from speechpipe_operator.spec.gateway import Gateway, Limits, Vad
from speechpipe_operator.spec.kubernetes import FORBIDDEN_IN_PODS, PodTemplate
from speechpipe_operator.spec.monitoring import Monitoring, Tracing
from speechpipe_operator.spec.pipeline import API_VERSION, AUTO, KIND, Languages, Metadata, Spec, SpeechPipeline
from speechpipe_operator.spec.redis import ExternalRedis, ManagedRedis, Redis
from speechpipe_operator.spec.scheduling import (
    CaBundle,
    ClaimedStorage,
    DeviceClaim,
    Gpu,
    Images,
    Proxy,
    Resources,
    Toleration,
)
from speechpipe_operator.spec.workers import Batch, ModelCache, Stt, Translation

__all__ = [
    "API_VERSION",
    "AUTO",
    "FORBIDDEN_IN_PODS",
    "KIND",
    "Auth",
    "Autoscaling",
    "Batch",
    "CaBundle",
    "ClaimedStorage",
    "DeviceClaim",
    "ExternalRedis",
    "Gateway",
    "GatewayAutoscaling",
    "Gpu",
    "HttpRoute",
    "Images",
    "Ingress",
    "Jwks",
    "Languages",
    "Limits",
    "ManagedRedis",
    "Metadata",
    "ModelCache",
    "Monitoring",
    "NetworkPolicies",
    "ParentRef",
    "PodTemplate",
    "Proxy",
    "Redis",
    "Resources",
    "SecretKey",
    "ServiceExposure",
    "Spec",
    "SpeechPipeline",
    "Stt",
    "Toleration",
    "Tracing",
    "Translation",
    "Vad",
    "bytes_of",
]
