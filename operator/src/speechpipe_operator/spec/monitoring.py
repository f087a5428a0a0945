"""``spec.monitoring``: how a pipeline is watched."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from speechpipe_common.addresses import COLLECTOR_URL, COLLECTOR_URL_WANTED
from speechpipe_operator.spec.base import Strict
from speechpipe_operator.spec.kubernetes import Labels
from speechpipe_operator.spec.rules import Cel, quoted

Duration = Annotated[str, Field(max_length=6, pattern=r"^[1-9][0-9]*(s|m|h)$")]


def _is_a_collector(value: str) -> str:
    if not re.fullmatch(COLLECTOR_URL, value):
        raise ValueError(f"{value!r} is {COLLECTOR_URL_WANTED}")
    return value


CollectorUrl = Annotated[
    str,
    Field(max_length=1024),
    AfterValidator(_is_a_collector),
    Cel(f"self.matches({quoted(COLLECTOR_URL)})", f"this is {COLLECTOR_URL_WANTED}"),
]


class Tracing(Strict):
    """Traces of segments: onset, queues, decoding, translation, and the final on its way. Nothing that is said."""

    endpoint: CollectorUrl = Field(
        description="Base URL of a collector that takes OTLP over HTTP, as in http://collector.observability:4318."
    )
    sample_percent: int = Field(
        default=10, ge=1, le=100, description="Share of segments that are traced, in percent; a trace is whole or not."
    )


class Monitoring(Strict):
    """How Prometheus finds the pods, and where traces go."""

    pod_monitor: Literal["auto", "disabled"] = Field(
        default="auto", description="auto: PodMonitors where the cluster knows that kind; disabled: none."
    )
    interval: Duration = Field(default="15s", description="Time between scrapes.")
    labels: Labels = Field(
        default_factory=dict, description="Labels by which the Prometheus operator selects PodMonitors."
    )
    tracing: Tracing | None = Field(
        default=None, description="Traces of segments, by OpenTelemetry; absent: nothing is recorded."
    )
