"""Structured logs: JSON for machines or lines for people, the standard library's loggers included.

Nothing that a speaker said and no secret is written: fields with such names are withheld whatever their value,
bytes are shown as a length, and URLs lose their passwords. Tracebacks carry no local variables.
"""

import logging
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Final, Literal, TextIO

import structlog
from structlog.typing import Processor

from speechpipe_common.redaction import redact_url

WITHHELD: Final = "(withheld)"

_WITHHELD_FIELDS: Final = frozenset(
    [
        "text",
        "texts",
        "audio",
        "pcm",
        "samples",
        "token",
        "tokens",
        "words",
        "word",
        "password",
        "secret",
        "secrets",
        "api_key",
        "api_keys",
        "authorization",
        "prompt",
        "hotwords",
        "payload",
        "job",
        "transcript",
        "translation",
        "committed",
        "tail",
    ]
)


def configure(
    *,
    component: str,
    instance_id: str,
    level: str = "info",
    form: Literal["auto", "json", "human"] = "auto",
    stream: TextIO | None = None,
) -> None:
    """Set up logging for this process, once, before anything is logged.

    Args:
        component: such as ``gateway`` or ``stt``; a field of every line.
        instance_id: name of this process; a field of every line.
        level: ``debug``, ``info``, ``warning`` or ``error``.
        form: ``auto`` writes for people when ``stream`` is a terminal, JSON otherwise.
        stream: where lines go; standard error by default.
    """
    out = stream or sys.stderr
    human = form == "human" or (form == "auto" and out.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        _Origin(component, instance_id),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            withhold,
            _human(out) if human else structlog.processors.JSONRenderer(),
        ],
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(formatter)
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger that takes an event and fields: ``log.info("redis_lost", reason=...)``."""
    return structlog.stdlib.get_logger(name)


def withhold(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Processor that replaces what must not be in a log."""
    for name, value in event.items():
        event[name] = _clean(name, value)
    return event


def _clean(name: str, value: object) -> object:
    if name.lower() in _WITHHELD_FIELDS:
        return WITHHELD
    if isinstance(value, str):
        return redact_url(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return f"({len(value)} bytes)"
    if isinstance(value, Mapping):
        return {str(key): _clean(str(key), item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean("", item) for item in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return redact_url(str(value))


class _Origin:
    """Processor that says which process a line is from."""

    def __init__(self, component: str, instance_id: str) -> None:
        self._fields = {"component": component, "instance_id": instance_id}

    def __call__(self, _logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event.update(self._fields)
        return event


def _human(out: TextIO) -> Processor:
    return structlog.dev.ConsoleRenderer(
        colors=out.isatty(), pad_event_to=0, exception_formatter=structlog.dev.plain_traceback
    )
