"""What the STT worker counts besides what every consumer counts."""

from typing import Final, Literal, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from speechpipe_common.messages import JobKind
from speechpipe_common.metrics import PREFIX

_SECONDS: Final = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 60.0)
_SIZES: Final = (1, 2, 4, 8, 16, 32, 64)

FAILURES: Final = ("audio_missing", "bad_audio", "unsupported_language")
"""Codes that are shown at 0 from the beginning."""

Dropped = Literal["expired", "overtaken"]
"""Why nobody waits for a partial any more: it is too late, or there is a newer one."""


class SttMetrics:
    """Decoding in numbers; busy seconds are in the consumer's ``worker_busy_seconds``."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._audio = Counter(
            PREFIX + "stt_audio_seconds", "Seconds of audio decoded, by kind of job.", ["kind"], registry=registry
        )
        self._decode = Histogram(
            PREFIX + "stt_decode_seconds", "Seconds of one call of the engine.", buckets=_SECONDS, registry=registry
        )
        self._batch = Histogram(
            PREFIX + "stt_batch_size", "Utterances of one call of the engine.", buckets=_SIZES, registry=registry
        )
        self._failures = Counter(PREFIX + "stt_failures", "Jobs that failed, by code.", ["code"], registry=registry)
        self._dropped = Counter(
            PREFIX + "stt_partials_dropped", "Partials dropped unheard, by reason.", ["reason"], registry=registry
        )
        self._loaded = Gauge(PREFIX + "stt_model_loaded", "1 once the model is in memory.", registry=registry)
        for kind in get_args(JobKind):
            self._audio.labels(kind)
        for code in FAILURES:
            self._failures.labels(code)
        for reason in get_args(Dropped):
            self._dropped.labels(reason)

    def decoded(self, kind: JobKind, seconds: float) -> None:
        """Audio of this length was decoded."""
        self._audio.labels(kind).inc(seconds)

    def called(self, utterances: int, seconds: float) -> None:
        """The engine took so long for so many utterances."""
        self._batch.observe(utterances)
        self._decode.observe(seconds)

    def failed(self, code: str) -> None:
        """A job failed."""
        self._failures.labels(code).inc()

    def dropped(self, reason: Dropped) -> None:
        """A partial was dropped unheard."""
        self._dropped.labels(reason).inc()

    def model_loaded(self) -> None:
        """The model is in memory."""
        self._loaded.set(1)
