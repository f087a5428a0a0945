"""The dashboard for whoever runs a pipeline for people: do they get their captions, and in time?"""

from parts import OF, Board, Choice, Query, Row, graph, number, quantiles, rate

CHOICES = (
    Choice("namespace", "Namespace", "label_values(speechpipe_sessions_limit, namespace)"),
    Choice("pipeline", "Pipeline", 'label_values(speechpipe_sessions_limit{namespace=~"$namespace"}, pipeline)'),
)

GLANCE = Row(
    "At a glance",
    (
        number(
            "Open sessions",
            "Connections that clients have open to all gateways of the chosen pipelines.",
            "short",
            f"sum(speechpipe_clients_connected{{{OF}}})",
        ),
        number(
            "Places taken",
            "Share of the sessions that all gateways together take. At 100 % clients are refused: add gateways.",
            "percentunit",
            f"sum(speechpipe_clients_connected{{{OF}}}) / sum(speechpipe_sessions_limit{{{OF}}})",
        ),
        number(
            "Wait for a final",
            "95 of 100 final captions come within this time after the last speech, the silence that ends a sentence "
            "(0.8 s unless set otherwise) included. Above 5 s people notice.",
            "s",
            quantiles("speechpipe_final_latency_seconds", OF, 0.95)[0].expr,
        ),
        number(
            "Wait for first words",
            "95 of 100 turns show their first words within this time after the first speech.",
            "s",
            quantiles("speechpipe_first_partial_latency_seconds", OF, 0.95)[0].expr,
        ),
        number(
            "Finals a second",
            "Final captions sent to clients. 0 while people speak means that something is broken.",
            "ops",
            f'sum(rate(speechpipe_captions_sent_total{{{OF}, kind="final"}}[$__rate_interval]))',
        ),
        number(
            "Refused a second",
            "Connections that got no session, for whatever reason.",
            "ops",
            f"sum(rate(speechpipe_sessions_refused_total{{{OF}}}[$__rate_interval]))",
        ),
    ),
)

WAITS = Row(
    "How long people wait",
    (
        graph(
            "From the end of speech to the final",
            "From the arrival of the last speech of a segment to its final on the way to the client. The silence "
            "threshold is a part of it, so it is never much below that.",
            "s",
            *quantiles("speechpipe_final_latency_seconds", OF, 0.5, 0.95, 0.99),
        ),
        graph(
            "From the end of speech to the translation",
            "From the arrival of the last speech of a segment to its translation on the way to the client.",
            "s",
            *quantiles("speechpipe_translation_latency_seconds", OF, 0.5, 0.95, 0.99),
        ),
        graph(
            "From the first speech to the first words",
            "From the arrival of the first speech of a turn to its first caption on the way to the client.",
            "s",
            *quantiles("speechpipe_first_partial_latency_seconds", OF, 0.5, 0.95, 0.99),
        ),
    ),
)

CAPTIONS = Row(
    "What they get",
    (
        graph(
            "Captions sent",
            "Messages to clients: partials while they speak, finals, and translations of both.",
            "ops",
            rate("speechpipe_captions_sent_total", OF, "kind", "{{kind}}"),
        ),
        graph(
            "Audio received",
            "Seconds of audio that come in within a second: about the number of clients that stream, silence included.",
            "none",
            rate("speechpipe_audio_received_seconds_total", OF, "pipeline", "{{pipeline}}"),
        ),
        graph(
            "Jobs sent to the workers",
            "What gateways submit, by kind. Candidates become finals when the pause was an end; partials are shed "
            "first.",
            "ops",
            rate("speechpipe_jobs_published_total", OF, "kind, status", "{{kind}} {{status}}"),
        ),
        graph(
            "Given up",
            "Jobs moved to the dead letters, since no worker got through with them. Anything above 0 deserves a look.",
            "ops",
            rate("speechpipe_jobs_settled_total", f'{OF}, outcome="buried"', "stream", "{{stream}}"),
        ),
        graph(
            "Asked for again",
            "Jobs whose result did not come in time. ok: it was lost and is done anew; queued: it still waits its "
            "turn; done: only the news was lost.",
            "ops",
            rate("speechpipe_jobs_resubmitted_total", OF, "kind, status", "{{kind}} {{status}}"),
        ),
        graph(
            "Faults of the gateways",
            "Connections ended by a fault of the gateway, and writes that Redis did not take at the first try.",
            "ops",
            rate("speechpipe_errors_total", OF, "pipeline", "faults {{pipeline}}"),
            rate("speechpipe_gateway_redis_errors_total", OF, "pipeline", "writes tried again {{pipeline}}"),
        ),
    ),
)

ROOM = Row(
    "Room for more",
    (
        graph(
            "Sessions and their limit",
            "Open connections, sessions (those whose client is gone for a moment too), and how many all gateways take.",
            "short",
            Query(f"sum by (pipeline) (speechpipe_clients_connected{{{OF}}})", "connected {{pipeline}}"),
            Query(f"sum by (pipeline) (speechpipe_sessions{{{OF}}})", "sessions {{pipeline}}"),
            Query(f"sum by (pipeline) (speechpipe_sessions_limit{{{OF}}})", "limit {{pipeline}}"),
        ),
        graph(
            "Refused, by reason",
            "full: no place at this gateway; key_full: none for this key; overloaded: too many jobs wait; "
            "storage_full: Redis is near its memory; bad_token, origin_denied: no right to be here.",
            "ops",
            rate("speechpipe_sessions_refused_total", OF, "reason", "{{reason}}"),
        ),
        graph(
            "Jobs in the queue and their limit",
            "Audio jobs that wait or are in work, as gateways see them. At the limit partials are shed and sessions "
            "refused.",
            "short",
            Query(f"max by (pipeline) (speechpipe_queue_jobs{{{OF}}})", "jobs {{pipeline}}"),
            Query(f"min by (pipeline) (speechpipe_queue_jobs_limit{{{OF}}})", "limit {{pipeline}}"),
        ),
        graph(
            "Memory of Redis",
            "What Redis uses, its maxmemory (0: none is set), and from where on gateways take no new session.",
            "bytes",
            Query(f"max by (pipeline) (speechpipe_redis_memory_used_bytes{{{OF}}})", "used {{pipeline}}"),
            Query(f"max by (pipeline) (speechpipe_redis_memory_max_bytes{{{OF}}})", "maxmemory {{pipeline}}"),
            Query(
                f"max by (pipeline) (speechpipe_redis_memory_max_bytes{{{OF}}})"
                f" * min by (pipeline) (speechpipe_redis_memory_limit_ratio{{{OF}}})",
                "refused from {{pipeline}}",
            ),
        ),
        graph(
            "Processes that reach Redis",
            "Share of each component's processes that have an answer from Redis. Below 100 % captions stop there.",
            "percentunit",
            Query(f"avg by (component) (speechpipe_redis_up{{{OF}}})", "{{component}}"),
            most=1,
        ),
        graph(
            "Sessions that move",
            "resumed: clients that came back; fenced: taken over by another gateway; restored: written again after "
            "Redis had lost them; swept: finished for clients and gateways that are gone.",
            "ops",
            *(
                Query(f"sum(rate(speechpipe_sessions_{what}_total{{{OF}}}[$__rate_interval]))", what)
                for what in ("resumed", "fenced", "restored", "swept")
            ),
        ),
        graph(
            "Lateness of the gateways' event loops",
            "How late a timer of each gateway fires. Above 20 ms something blocks the loop, or the gateway gets too "
            "little CPU: captions of all its sessions wait.",
            "s",
            *quantiles("speechpipe_event_loop_lag_seconds", OF, 0.5, 0.99, 0.999),
        ),
    ),
)

BOARD = Board(
    "captions",
    "Speechpipe / Captions",
    "What people get from a pipeline and how long they wait for it. Rows from top to bottom: state, waits, captions, "
    "room.",
    (GLANCE, WAITS, CAPTIONS, ROOM),
    CHOICES,
)
