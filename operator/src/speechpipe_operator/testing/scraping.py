"""What a pipeline's PodMonitor makes of its pods, for a Prometheus without the operator that reads such objects."""

import json
import re
from typing import Any, Final

from speechpipe_operator.load import load_text
from speechpipe_operator.plan import make_plan
from speechpipe_operator.render import Capabilities, Context, render

_META: Final = "__meta_kubernetes_pod_label_"


def relabelings(document: dict[str, Any], namespace: str) -> list[dict[str, Any]]:
    """The relabelings of the PodMonitor that is rendered for a SpeechPipeline, as Prometheus itself writes them."""
    (pipeline,) = load_text(json.dumps(document), "pipeline.json")
    context = Context(namespace, "uid", "speechpipe", "0", Capabilities(pod_monitor=True))
    (monitor,) = (one for one in render(pipeline, make_plan(pipeline), context) if one["kind"] == "PodMonitor")
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    return [
        {"source_labels": rule["sourceLabels"], "target_label": rule["targetLabel"]} for rule in endpoint["relabelings"]
    ]


def discovered(labels: dict[str, str]) -> dict[str, str]:
    """A pod's labels as Prometheus' discovery shows them to relabelings."""
    return {_META + re.sub(r"\W", "_", name): value for name, value in labels.items()}
