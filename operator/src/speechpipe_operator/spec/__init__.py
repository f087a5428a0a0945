"""The ``SpeechPipeline`` resource as types: the one source of its shape, for the CRD and for one machine alike.

No field is a float (the API server compares them badly): durations and shares are integers with their unit in the name.
"""

from speechpipe_operator.spec.base import bytes_of
from speechpipe_operator.spec.gateway import Auth, Gateway, Limits, Vad
from speechpipe_operator.spec.pipeline import API_VERSION, AUTO, KIND, Languages, Metadata, Spec, SpeechPipeline
from speechpipe_operator.spec.redis import ExternalRedis, ManagedRedis, Redis
from speechpipe_operator.spec.workers import Batch, Stt, Translation

__all__ = [
    "API_VERSION",
    "AUTO",
    "KIND",
    "Auth",
    "Batch",
    "ExternalRedis",
    "Gateway",
    "Languages",
    "Limits",
    "ManagedRedis",
    "Metadata",
    "Redis",
    "Spec",
    "SpeechPipeline",
    "Stt",
    "Translation",
    "Vad",
    "bytes_of",
]
