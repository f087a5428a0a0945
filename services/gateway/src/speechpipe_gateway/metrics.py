"""What the gateway counts. Label values are few and known before they occur: each is shown at 0 from the beginning,
since a counter that begins at 1 has no increase for Prometheus.
"""

from typing import Final, Literal, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from speechpipe_common.messages import JobKind
from speechpipe_common.metrics import PREFIX
from speechpipe_common.wire import FinalCaption, Realtime, ServerMessage, Translation
from speechpipe_gateway.admission import REFUSALS, Limits
from speechpipe_gateway.tokens.rules import REFUSALS as TOKEN_REFUSALS

LATENCY_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
CAPTION_BUCKETS: Final = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 7.5, 10.0, 15.0, 30.0, 60.0)
"""Seconds that a person waits for a caption; dense where the silence threshold and good decoding are."""

Caption = Literal["partial", "final", "translation_partial", "translation"]
Resubmitted = Literal["final", "translation"]
FATES: Final = ("ok", "queued", "done", "shed")
"""What the store says of a job that was submitted."""

REFUSED: Final = (*REFUSALS, "unavailable", "origin_denied", *TOKEN_REFUSALS)
"""Why a connection gets no session: no place now, no Redis, no right."""


class GatewayMetrics:
    """Metrics of one gateway process, in its registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(PREFIX + name, text, labels, registry=registry)

        def gauge(name: str, text: str) -> Gauge:
            return Gauge(PREFIX + name, text, registry=registry)

        self.clients_connected = gauge("clients_connected", "Open client connections.")
        self.sessions = gauge("sessions", "Sessions that this gateway owns.")
        self.audio_seconds = counter("audio_received_seconds", "Audio received from clients.")
        self.audio_chunks_processed = counter("audio_chunks_processed", "Binary frames with audio.")
        self.jobs_published = counter("jobs_published", "Audio jobs by kind and fate.", "kind", "status")
        self.jobs_resubmitted = counter(
            "jobs_resubmitted",
            "Jobs whose result did not come in time, by what Redis did with the second submission: ok took it, so the "
            "first was lost; queued has the first still; done knows the result.",
            "kind",
            "status",
        )
        self.results_forwarded = counter("results_forwarded", "Results taken from workers, by type.", "type")
        self.sessions_refused = counter("sessions_refused", "Connections that got no session, by reason.", "reason")
        self.sessions_resumed = counter("sessions_resumed", "Sessions taken over for a client that came back.")
        self.sessions_fenced = counter("sessions_fenced", "Sessions lost to another gateway.")
        self.sessions_restored = counter("sessions_restored", "Sessions that Redis had lost, written again.")
        self.sessions_swept = counter("sessions_swept", "Sessions of dead gateways whose open segments were finalised.")
        self.protocol_errors = counter("protocol_errors", "Errors told to clients, by code.", "code")
        self.errors = counter("errors", "Connections ended by a fault of ours.")
        self.redis_errors = counter("gateway_redis_errors", "Writes that Redis did not take at the first try.")
        self.vad_batch_seconds = Histogram(
            PREFIX + "vad_batch_seconds", "Time of one VAD batch.", buckets=LATENCY_BUCKETS, registry=registry
        )
        self.captions = CaptionMetrics(registry)
        self.capacity = CapacityMetrics(registry)
        self._show_all()

    def _show_all(self) -> None:
        for status in FATES:
            for kind in get_args(JobKind):
                self.jobs_published.labels(kind, status)
        for resubmitted in get_args(Resubmitted):
            for status in ("ok", "queued", "done"):
                self.jobs_resubmitted.labels(resubmitted, status)
        for result in ("transcript", "translated", "failure"):
            self.results_forwarded.labels(result)
        for reason in REFUSED:
            self.sessions_refused.labels(reason)


class CaptionMetrics:
    """What clients get, and how long they wait for it."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def histogram(name: str, text: str) -> Histogram:
            return Histogram(PREFIX + name, text, buckets=CAPTION_BUCKETS, registry=registry)

        self._sent = Counter(
            PREFIX + "captions_sent", "Captions sent to clients, by kind.", ["kind"], registry=registry
        )
        self._final = histogram(
            "final_latency_seconds",
            "From the arrival of the last speech of a segment to its final on the way to the client; the silence "
            "threshold is a part of it.",
        )
        self._translation = histogram(
            "translation_latency_seconds",
            "From the arrival of the last speech of a segment to its translation on the way to the client.",
        )
        self._partial = histogram(
            "first_partial_latency_seconds",
            "From the arrival of the first speech of a turn to its first caption on the way to the client.",
        )
        for kind in get_args(Caption):
            self._sent.labels(kind)

    def sent(self, message: ServerMessage, waited: float | None) -> None:
        """A message is on its way to a client that has waited for it so many seconds, where that is known."""
        match message:
            case FinalCaption():
                self._count("final", self._final, waited)
            case Translation(is_final=True):
                self._count("translation", self._translation, waited)
            case Translation():
                self._count("translation_partial", None, None)
            case Realtime():
                self._count("partial", self._partial, waited)

    def _count(self, kind: Caption, histogram: Histogram | None, waited: float | None) -> None:
        self._sent.labels(kind).inc()
        if histogram is not None and waited is not None:
            histogram.observe(max(0.0, waited))


class CapacityMetrics:
    """How full this gateway and its Redis are, and where they refuse."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, text: str) -> Gauge:
            return Gauge(PREFIX + name, text, registry=registry)

        self._sessions_limit = gauge("sessions_limit", "Sessions that this gateway takes at a time.")
        self._queue = gauge("queue_jobs", "Audio jobs that wait or are in work, as the gateway saw last.")
        self._queue_limit = gauge("queue_jobs_limit", "Audio jobs from which on the gateway refuses sessions.")
        self._memory = gauge("redis_memory_used_bytes", "Memory that Redis uses, as the gateway saw last.")
        self._memory_max = gauge("redis_memory_max_bytes", "Redis' maxmemory; 0 where it has none.")
        self._memory_limit = gauge(
            "redis_memory_limit_ratio", "Share of Redis' maxmemory from which on the gateway refuses sessions."
        )

    def limits(self, limits: Limits) -> None:
        """Where this gateway refuses."""
        self._sessions_limit.set(limits.max_sessions)
        self._queue_limit.set(limits.max_queue_depth)
        self._memory_limit.set(limits.max_memory_percent / 100)

    def saw(self, jobs: int, memory_used: int, memory_max: int) -> None:
        """What Redis said: jobs, and bytes."""
        self._queue.set(jobs)
        self._memory.set(memory_used)
        self._memory_max.set(memory_max)
