"""What the translation worker counts besides what every consumer counts.

Label values are few: languages are codes of the language table, and of pairs only those appear that an engine has.
"""

from collections.abc import Callable, Sequence
from typing import Final, Literal, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from speechpipe_common.metrics import PREFIX
from speechpipe_translate.engines.base import Outcome
from speechpipe_translate.scheduling import Stale

_SECONDS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_SIZES: Final = (1, 2, 4, 8, 16, 32, 64)

FAILURES: Final = ("engine_failed", "hub_unreachable", "translation_failed", "unknown_language", "unsupported_pair")
"""Codes of ``errors`` that a text can fail with."""

Lookup = Literal["hit", "miss"]


class TranslateMetrics:
    """Translating in numbers; busy seconds are in the consumer's ``worker_busy_seconds``."""

    def __init__(self, registry: CollectorRegistry) -> None:
        pair = ("source", "target")
        self._seconds = Histogram(
            PREFIX + "translate_seconds",
            "Seconds of one call: texts of one language pair, through all models on their way.",
            pair,
            buckets=_SECONDS,
            registry=registry,
        )
        self._texts = Counter(PREFIX + "translate_texts", "Texts translated.", pair, registry=registry)
        self._batch = Histogram(
            PREFIX + "translate_batch_size", "Texts of one call.", buckets=_SIZES, registry=registry
        )
        self._failures = Counter(
            PREFIX + "translate_failures", "Texts that were not translated, by code.", ["code"], registry=registry
        )
        self._dropped = Counter(
            PREFIX + "translate_partials_dropped",
            "Partials dropped untranslated, by reason.",
            ["reason"],
            registry=registry,
        )
        self._lookups = Counter(
            PREFIX + "translate_lookups",
            "Texts that a model would be given, by whether their translation was remembered.",
            ["result"],
            registry=registry,
        )
        self._loaded = Gauge(
            PREFIX + "translate_pairs_loaded", "Language pairs whose model is held.", registry=registry
        )
        for code in FAILURES:
            self._failures.labels(code)
        for reason in get_args(Stale):
            self._dropped.labels(reason)
        for result in get_args(Lookup):
            self._lookups.labels(result)

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

    def looked_up(self, known: int, unknown: int) -> None:
        """So many texts were remembered, and so many not; from any thread."""
        hit: Lookup = "hit"
        miss: Lookup = "miss"
        self._lookups.labels(hit).inc(known)
        self._lookups.labels(miss).inc(unknown)

    def dropped(self, reason: Stale) -> None:
        """A partial was dropped untranslated."""
        self._dropped.labels(reason).inc()
