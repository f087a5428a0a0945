"""Settings from the environment: one class per process, read once, bad values refused by name.

A process derives from ``ProcessSettings`` (a service from ``ServiceSettings``, a worker from ``WorkerSettings``), gives
every field a description, and calls ``load(Class, sys.argv[1:])`` in its main function; nothing is read at import.
"""

import importlib
import sys
from collections.abc import Sequence
from typing import Annotated, Any, Literal, NoReturn, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from speechpipe_common.addresses import COLLECTOR_URL
from speechpipe_common.redaction import redact_url
from speechpipe_common.settings_text import SettingRow, help_text, markdown, rows

USAGE_EXIT = 2
HIDDEN = "(hidden)"


def _redis_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("redis", "rediss", "unix"):
        raise ValueError("a Redis URL begins with redis://, rediss:// or unix://")
    if parts.scheme != "unix" and not parts.hostname:
        raise ValueError("a Redis URL names a host, as in redis://localhost:6379")
    _ = parts.port  # raises ValueError for a port that is no number
    return value


RedisUrl = Annotated[str, AfterValidator(_redis_url)]
HttpUrl = Annotated[str, Field(pattern=rf"^$|{COLLECTOR_URL}")]
Port = Annotated[int, Field(ge=0, le=65535)]


class ProcessSettings(BaseSettings):
    """What every Speechpipe process is told through its environment."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True, hide_input_in_errors=True)

    instance_id: str = Field(
        default="",
        pattern=r"^[A-Za-z0-9_.-]*$",
        description="Name of this process in logs, health and consumer groups; empty: made from host name and chance.",
    )
    health_host: str = Field(
        default="0.0.0.0",  # noqa: S104 - probes and scrapes come from outside the pod
        description="Address that serves /health, /ready and /metrics.",
    )
    health_port: Port = Field(default=8080, description="Port of /health, /ready and /metrics; 0 takes a free one.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least severe log lines that are written."
    )
    log_format: Literal["auto", "json", "human"] = Field(
        default="auto", description="Log lines as JSON or for people; auto: for people on a terminal, else JSON."
    )


class ServiceSettings(ProcessSettings):
    """What a process of a pipeline is told besides."""

    redis_url: RedisUrl = Field(
        default="redis://localhost:6379",
        repr=False,
        description="Redis or Valkey (7.0.5 or newer) that holds the pipeline's streams.",
    )
    key_prefix: str = Field(
        default="",
        pattern=r"^[A-Za-z0-9_.:-]*$",
        description="Put before every Redis name; pipelines that share a Redis use different ones.",
    )
    otel_exporter_otlp_endpoint: HttpUrl = Field(
        default="",
        description="Where traces go: base URL of a collector that takes OTLP over HTTP, as in http://collector:4318; "
        "empty: nothing is recorded. The other variables of OpenTelemetry's SDK count as well.",
    )
    otel_exporter_otlp_traces_endpoint: HttpUrl = Field(
        default="", description="Whole URL for traces, instead of the base URL with /v1/traces behind it."
    )
    otel_sdk_disabled: bool = Field(default=False, description="Record nothing, whatever the endpoint.")

    @property
    def traces_endpoint(self) -> str:
        """URL that traces are sent to; empty: none are recorded."""
        if self.otel_sdk_disabled:
            return ""
        base = self.otel_exporter_otlp_endpoint.rstrip("/")
        return self.otel_exporter_otlp_traces_endpoint or (f"{base}/v1/traces" if base else "")


class WorkerSettings(ServiceSettings):
    """What a process that consumes a job stream is told besides."""

    claim_idle_seconds: float = Field(
        default=5.0,
        ge=0.1,
        le=3600,
        description="A job that no worker has kept alive for this long is taken over from the one that had it.",
    )
    max_deliveries: int = Field(
        default=3, ge=1, le=100, description="Deliveries of one job after which it goes to dead_letters."
    )
    drain_seconds: float = Field(
        default=20.0,
        ge=0,
        le=3600,
        description="How long a worker told to stop may finish what it runs; the rest is handed back.",
    )


S = TypeVar("S", bound=BaseSettings)


def load(cls: type[S], argv: Sequence[str] = ()) -> S:
    """Read ``cls`` from the environment; for a process's main function.

    ``--help`` or ``-h`` in ``argv`` prints every setting and exits 0. Other arguments, and values that are not
    allowed, exit 2 with a line for each problem on stderr; values of secret settings are never printed.
    """
    if "--help" in argv or "-h" in argv:
        sys.stdout.write(help_text(cls))
        sys.exit(0)
    if argv:
        _refuse([f"unknown argument {argv[0]!r}: settings are given in the environment, --help lists them"])
    try:
        return cls()
    except ValidationError as error:
        table = {row.field: row for row in rows(cls)}
        problems = error.errors(include_url=False, include_context=False)
        _refuse([_problem(detail, table) for detail in problems])
    except SettingsError as error:
        _refuse([f"{error}: {error.__cause__}"])


def _refuse(problems: list[str]) -> NoReturn:
    sys.stderr.write("".join(f"settings: {problem}\n" for problem in problems))
    sys.exit(USAGE_EXIT)


def _problem(detail: ErrorDetails, table: dict[str, SettingRow]) -> str:
    message = detail["msg"].removeprefix("Value error, ")
    name = str(detail["loc"][0]).lower() if detail["loc"] else ""
    row = table.get(name)
    if row is None:
        return message if not name else f"{name.upper()}: {message}"
    if detail["type"] == "missing":
        return f"{row.variable} is not set; allowed: {row.allowed}. {row.description}"
    shown = HIDDEN if row.secret else repr(redact_url(str(detail["input"])))
    return f"{row.variable}={shown} is refused: {message}; allowed: {row.allowed} (default {row.default})"


def main(argv: Sequence[str]) -> int:
    """Print the Markdown reference of the settings classes named as ``module:Class``."""
    if not argv:
        _refuse(["usage: python -m speechpipe_common.settings MODULE:CLASS ..."])
    sys.stdout.write(markdown([_resolve(name) for name in argv]))
    return 0


def _resolve(name: str) -> type[BaseSettings]:
    module, _, attribute = name.partition(":")
    cls: Any = getattr(importlib.import_module(module), attribute, None)
    if not (isinstance(cls, type) and issubclass(cls, BaseSettings)):
        _refuse([f"{name!r} is no settings class; write MODULE:CLASS"])
    return cls


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
