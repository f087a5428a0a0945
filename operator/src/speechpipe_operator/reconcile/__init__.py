"""From a ``SpeechPipeline`` and what is there to writes: ownership, apply, prune, Secrets, volumes."""

from speechpipe_operator.reconcile.cache import ChildCache, Event, PipelineKey, key_of
from speechpipe_operator.reconcile.pipeline import Deps, ReconcileResult, ReplicasFor, reconcile_pipeline, shards_of

__all__ = [
    "ChildCache",
    "Deps",
    "Event",
    "PipelineKey",
    "ReconcileResult",
    "ReplicasFor",
    "key_of",
    "reconcile_pipeline",
    "shards_of",
]
