"""What the translation worker counts besides what every consumer counts.

Label values are few: languages are codes of the language table, and of pairs only those appear that an engine has.
"""

from collections.abc import Callable, Sequence
from typing import Final, Literal, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from speechpipe_common.metrics import PREFIX
from speechpipe_translate.engines.base import Outcome

_SECONDS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_SIZES: Final = (1, 2, 4, 8, 16, 32, 64)

FAILURES: Final = ("engine_failed", "hub_unreachable", "translation_failed", "unknown_language", "unsupported_pair")
"""Codes of ``errors`` that a text can fail with."""

Dropped = Literal["unwanted"]
"""Why nobody waits for a partial any more: it is too late, or there is a newer one."""


class TranslateMetrics:
    """Translating in numbers; busy seconds are in the consumer's ``worker_busy_seconds``."""

    def __init__(self, registry: CollectorRegistry) -> None:
        pair = ("source", "target")
        self._seconds = Histogram(
            PREFIX + "translate_seconds",
            "Seconds of translating the texts of one language pair that were read together.",
            pair,
            buckets=_SECONDS,
            registry=registry,
        )
        self._texts = Counter(PREFIX + "translate_texts", "Texts translated.", pair, registry=registry)
        self._batch = Histogram(
            PREFIX + "translate_batch_size", "Texts translated together.", buckets=_SIZES, registry=registry
        )
        self._failures = Counter(
            PREFIX + "translate_failures", "Texts that were not translated, by code.", ["code"], registry=registry
        )
        self._dropped = Counter(
            PREFIX + "translate_partials_dropped", "Partials dropped untranslated.", ["reason"], registry=registry
        )
        self._loaded = Gauge(
            PREFIX + "translate_pairs_loaded", "Language pairs whose model is held.", registry=registry
        )
        for code in FAILURES:
            self._failures.labels(code)
        for reason in get_args(Dropped):
            self._dropped.labels(reason)

    def watch_loaded(self, count: Callable[[], int]) -> None:
        """Ask for the pairs held at each scrape."""
        self._loaded.set_function(count)

    def translated(self, source: str, target: str, outcomes: Sequence[Outcome], seconds: float) -> None:
        """These texts were tried in one call; a pair is a label only once a text of it has succeeded."""
        done = sum(isinstance(outcome, str) for outcome in outcomes)
        for outcome in outcomes:
            if not isinstance(outcome, str):
                self._failures.labels(outcome.code).inc()
        if done:
            self._batch.observe(len(outcomes))
            self._seconds.labels(source, target).observe(seconds)
            self._texts.labels(source, target).inc(done)

    def dropped(self, reason: Dropped) -> None:
        """A partial was dropped untranslated."""
        self._dropped.labels(reason).inc()
