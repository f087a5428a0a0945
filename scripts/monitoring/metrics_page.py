"""Tells all metrics from the registries of all processes, and writes docs/metrics.md, so that none goes untold."""

import functools
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.registry import Collector

from speechpipe_common.blocking import LoopWatch
from speechpipe_common.metrics import ConsumerMetrics, LinkMetrics
from speechpipe_gateway.metrics import GatewayMetrics
from speechpipe_gateway.tokens.metrics import TokenMetrics
from speechpipe_operator.runtime.metrics import OperatorMetrics
from speechpipe_stt.metrics import SttMetrics
from speechpipe_translate.metrics import TranslateMetrics

INTRODUCTION: Final = """\
<!-- Generated from the metrics in the code by `make generate`; do not edit. -->

# Metrics

Every process serves them at `/metrics` of its health port, in the text format of Prometheus, besides those of the
process itself (`process_*`, `python_*`). In a cluster each series of a pipeline carries `namespace`, `pipeline` and
`component` besides its own labels; [monitoring](monitoring.md) tells how, and what to look at. A histogram has
`_bucket`, `_sum` and `_count`. Label values are few; those that are known are there at 0 from the beginning.
"""

PROCESSES: Final[dict[str, tuple[Callable[[CollectorRegistry], object], ...]]] = {
    "Gateway": (GatewayMetrics, TokenMetrics, LinkMetrics, LoopWatch),
    "Workers, of both kinds": (ConsumerMetrics, LinkMetrics),
    "STT workers": (SttMetrics,),
    "Translation workers": (TranslateMetrics,),
    "Operator": (OperatorMetrics,),
}

_SUFFIXES: Final = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum"), "gauge": ("",)}


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric; ``name`` without the suffixes that its kind adds to its series."""

    name: str
    kind: str
    labels: tuple[str, ...]
    help: str


class _Recorder(CollectorRegistry):
    """Keeps what is registered: a registry tells only of series that there are."""

    def __init__(self) -> None:
        super().__init__()
        self.made: list[Metric] = []

    def register(self, collector: Collector) -> None:
        """Note a metric."""
        super().register(collector)
        if isinstance(collector, MetricWrapperBase):
            for family in collector.describe():
                labels = tuple(collector._labelnames)  # nothing public tells them without a series
                self.made.append(Metric(family.name, family.type, labels, family.documentation))


def processes() -> dict[str, list[Metric]]:
    """The metrics of each kind of process."""
    found = {}
    for title, makers in PROCESSES.items():
        registry = _Recorder()
        for make in makers:
            make(registry)
        found[title] = registry.made
    return found


@functools.cache
def sample_names() -> frozenset[str]:
    """Names of all series of ours as they are scraped: a histogram has three."""
    return frozenset(
        metric.name + suffix for made in processes().values() for metric in made for suffix in _SUFFIXES[metric.kind]
    )


def page() -> str:
    """The whole page."""
    lines = [INTRODUCTION]
    for title, metrics in processes().items():
        lines += [f"## {title}\n", "| metric | kind | labels | what |", "|---|---|---|---|"]
        for metric in sorted(metrics, key=lambda metric: metric.name):
            name = metric.name + ("_total" if metric.kind == "counter" else "")
            labels = ", ".join(f"`{label}`" for label in metric.labels)
            lines.append(f"| `{name}` | {metric.kind} | {labels} | {metric.help} |")
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(page())
