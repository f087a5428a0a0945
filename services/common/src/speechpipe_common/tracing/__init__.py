"""Traces of segments across the services, by OpenTelemetry. Where no endpoint is set nothing is recorded, and nothing
of the SDK's tracing is imported.

A *context* is a W3C ``traceparent``; it travels beside a job, in a field of its own of the stream's entry. No span
holds anything that was said.
"""

from speechpipe_common.settings import ServiceSettings
from speechpipe_common.tracing.spans import NOTHING, Attribute, Span, Tracing

__all__ = ["NOTHING", "Attribute", "Span", "Tracing", "open_tracing"]


def open_tracing(settings: ServiceSettings, component: str, instance: str) -> Tracing:
    """What this process records spans with; close it at the end.

    Args:
        settings: with the endpoint; the SDK reads the rest of its ``OTEL_`` variables itself.
        component: such as ``gateway``: the service is ``speechpipe-gateway`` unless ``OTEL_SERVICE_NAME`` names it.
        instance: name of this process.
    """
    endpoint = settings.traces_endpoint
    if not endpoint:
        return Tracing()
    # Here, so that a process that records nothing spends neither time nor memory on it.
    from speechpipe_common.tracing.recording import Recorder

    return Recorder(endpoint, f"speechpipe-{component}", instance)
