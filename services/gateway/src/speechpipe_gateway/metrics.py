"""What the gateway counts."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from speechpipe_common.metrics import PREFIX

LATENCY_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class GatewayMetrics:
    """Metrics of one gateway process, in its registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(PREFIX + name, text, labels, registry=registry)

        self.clients_connected = Gauge(PREFIX + "clients_connected", "Open client connections.", registry=registry)
        self.sessions = Gauge(PREFIX + "sessions", "Sessions that this gateway owns.", registry=registry)
        self.audio_seconds = counter("audio_received_seconds", "Audio received from clients.")
        self.audio_chunks_processed = counter("audio_chunks_processed", "Binary frames with audio.")
        self.jobs_published = counter("jobs_published", "Audio jobs by kind and fate.", "kind", "status")
        self.results_forwarded = counter("results_forwarded", "Results taken from workers, by type.", "type")
        self.sessions_refused = counter("sessions_refused", "Connections refused, by reason.", "reason")
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
