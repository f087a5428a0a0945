"""Addresses that more than one member must judge alike, as patterns that Python, JSON Schema and CEL all take."""

from typing import Final

JWKS_URL: Final = (
    r"^(https://[^/\s?#@]+|"
    r"http://(localhost|127\.0\.0\.1|\[::1\]|([a-z0-9-]+\.)+svc(\.cluster\.local)?)(:[0-9]{1,5})?)(/[^\s#]*)?$"
)
"""Where signing keys may come from: whoever can change them on their way can let anybody in, so plain http only where
nothing lies between: on this machine, or from a Service of the cluster. No user and password, which logs would keep."""

JWKS_URL_WANTED: Final = (
    "no address of signing keys; write https://host/path, or http:// for localhost or a Service (name.namespace.svc)"
)

COLLECTOR_URL: Final = r"^https?://[^/\s?#@]+(/[^\s#]*)?$"
"""Where traces may go. No user and password: those are headers (``OTEL_EXPORTER_OTLP_HEADERS``)."""

COLLECTOR_URL_WANTED: Final = "no address of a collector; write http://host:port or https://host"
