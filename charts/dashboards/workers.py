"""The dashboard of workers and of their number: are there enough, and what are they doing?"""

from captions import CHOICES
from parts import OF, Board, Query, Row, graph, quantiles, rate

_STAGE = "component, pipeline"
_NAMED = "{{component}} {{pipeline}}"


def _operator(metric: str, prefix: str = "") -> Query:
    """A number that the operator shows of each stage."""
    return Query(f"max by ({_STAGE}) (speechpipe_operator_{metric}{{{OF}}})", f"{prefix}{_NAMED}")


SCALING = Row(
    "Scaling",
    (
        graph(
            "Workers: wanted and ready",
            "What the autoscaler wants, what the Deployment asks for, and what is ready. Ready below wanted for "
            "long: pods can't be placed or don't start.",
            "short",
            _operator("desired_replicas", "wanted "),
            _operator("spec_replicas", "asked for "),
            _operator("ready_replicas", "ready "),
        ),
        graph(
            "Pods without a node",
            "Pods that the scheduler finds no node or GPU for. One may stand for more: only one is asked for at a "
            "time.",
            "short",
            _operator("unschedulable_pods"),
        ),
        graph(
            "Jobs waiting",
            "Undelivered and pending finals of each stage.",
            "short",
            _operator("backlog_jobs"),
        ),
        graph(
            "Audio waiting",
            "Seconds of audio of the finals that wait or are in work; for translation, of the audio that the texts "
            "come from.",
            "s",
            _operator("backlog_audio_seconds"),
        ),
        graph(
            "Age of the oldest job",
            "How long the oldest unsettled final has waited. It should stay near the time that one takes.",
            "s",
            _operator("oldest_job_age_seconds"),
        ),
        graph(
            "Load and speed",
            "Seconds of audio that arrive in a second, and that one busy worker does in a second, as the autoscaler "
            "estimates them: load divided by speed is the number of workers that would be busy all the time.",
            "x",
            _operator("arrival_ratio", "load "),
            _operator("worker_speed_ratio", "speed of one "),
        ),
        graph(
            "Backlog read and trusted",
            "1 where the backlog could be read and agrees with its checks. At 0 the number of workers stays as it is.",
            "bool_yes_no",
            _operator("backlog_trusted"),
            most=1,
        ),
        graph(
            "ScalingActive and LagTrusted",
            "The conditions of the pipeline's status: 1 True, 0 False, -1 Unknown.",
            "none",
            Query(
                "max by (condition, pipeline) (speechpipe_operator_pipeline_condition{"
                f'{OF}, condition=~"ScalingActive|LagTrusted"}})',
                "{{condition}} {{pipeline}}",
            ),
            least=-1,
            most=1,
        ),
        graph(
            "Busy workers",
            "Share of its time that each worker has work; the autoscaler aims at 70 % unless told otherwise. More "
            "than 100 % where batches run side by side.",
            "percentunit",
            Query(
                f"sum by (component, instance) (rate(speechpipe_worker_busy_seconds_total{{{OF}}}[$__rate_interval]))",
                "{{component}} {{instance}}",
            ),
        ),
    ),
)

JOBS = Row(
    "Jobs",
    (
        graph(
            "Wait before a worker begins",
            "From a job's submission until a worker began with it, by the clocks of both machines.",
            "s",
            *quantiles("speechpipe_job_wait_seconds", OF, 0.5, 0.95, by="stream"),
        ),
        graph(
            "Jobs settled",
            "Acknowledged jobs by what became of them: final, stored (a candidate), published (a partial), done or "
            "peer (somebody was first), dropped (nobody waited), buried (given up).",
            "ops",
            rate("speechpipe_jobs_settled_total", OF, "stream, outcome", "{{stream}} {{outcome}}"),
        ),
        graph(
            "Jobs that came again",
            "redelivered: taken over from a worker that left them; lost: taken over from here; handed back, by reason.",
            "ops",
            rate("speechpipe_jobs_redelivered_total", OF, "stream", "redelivered {{stream}}"),
            rate("speechpipe_jobs_lost_total", OF, "stream", "lost {{stream}}"),
            rate("speechpipe_jobs_handed_back_total", OF, "reason", "handed back {{reason}}"),
        ),
    ),
)

STT = Row(
    "Speech to text",
    (
        graph(
            "Decoding time of a second of audio",
            "Seconds of decoding for each second of audio: below 1 a worker is faster than speech. Partials count too.",
            "x",
            Query(
                f"sum by (pipeline) (rate(speechpipe_stt_decode_seconds_sum{{{OF}}}[$__rate_interval]))"
                f" / sum by (pipeline) (rate(speechpipe_stt_audio_seconds_total{{{OF}}}[$__rate_interval]))",
                "{{pipeline}}",
            ),
        ),
        graph(
            "Decoding time of a call",
            "Seconds of one call of the engine.",
            "s",
            *quantiles("speechpipe_stt_decode_seconds", OF, 0.5, 0.95, 0.99),
        ),
        graph(
            "Utterances of a call",
            "Mean number of utterances that one call of the engine decodes.",
            "short",
            Query(
                f"sum by (pipeline) (rate(speechpipe_stt_batch_size_sum{{{OF}}}[$__rate_interval]))"
                f" / sum by (pipeline) (rate(speechpipe_stt_batch_size_count{{{OF}}}[$__rate_interval]))",
                "{{pipeline}}",
            ),
        ),
        graph(
            "Audio decoded",
            "Seconds of audio decoded in a second, by kind of job. Much more partial than final audio: partials may "
            "be fewer.",
            "none",
            rate("speechpipe_stt_audio_seconds_total", OF, "kind", "{{kind}}"),
        ),
        graph(
            "Failures",
            "Jobs that failed, by code. audio_missing is mended by the gateway; the others are told to the client.",
            "ops",
            rate("speechpipe_stt_failures_total", OF, "code", "{{code}}"),
        ),
        graph(
            "Partials dropped unheard",
            "expired: too late to be of use; overtaken: there was a newer one. Many mean that workers are too few.",
            "ops",
            rate("speechpipe_stt_partials_dropped_total", OF, "reason", "{{reason}}"),
        ),
    ),
)

TRANSLATION = Row(
    "Translation",
    (
        graph(
            "Translating time, by pair",
            "95 of 100 calls of a language pair take less.",
            "s",
            *quantiles("speechpipe_translate_seconds", OF, 0.95, by="source,target"),
        ),
        graph(
            "Texts translated, by pair",
            "Texts of finals and partials.",
            "ops",
            rate("speechpipe_translate_texts_total", OF, "source, target", "{{source}} {{target}}"),
        ),
        graph(
            "Texts of a call",
            "Mean number of texts that are translated together.",
            "short",
            Query(
                f"sum by (pipeline) (rate(speechpipe_translate_batch_size_sum{{{OF}}}[$__rate_interval]))"
                f" / sum by (pipeline) (rate(speechpipe_translate_batch_size_count{{{OF}}}[$__rate_interval]))",
                "{{pipeline}}",
            ),
        ),
        graph(
            "Failures",
            "Texts that were not translated, by code.",
            "ops",
            rate("speechpipe_translate_failures_total", OF, "code", "{{code}}"),
        ),
        graph(
            "Partials dropped untranslated",
            "Too late to be of use, or overtaken by a newer one.",
            "ops",
            rate("speechpipe_translate_partials_dropped_total", OF, "reason", "{{reason}}"),
        ),
        graph(
            "Texts remembered",
            "Texts for a model, by whether their translation was remembered (hit) or had to be made (miss).",
            "ops",
            rate("speechpipe_translate_lookups_total", OF, "result", "{{result}}"),
        ),
        graph(
            "Language pairs in memory",
            "Pairs whose model a worker holds; MAX_LOADED_PAIRS and its memory bound them.",
            "short",
            Query(f"sum by (instance) (speechpipe_translate_pairs_loaded{{{OF}}})", "{{instance}}"),
        ),
    ),
)

PROCESSES = Row(
    "Processes",
    (
        graph(
            "CPU",
            "Cores used by each process.",
            "none",
            Query(
                f"sum by (component, instance) (rate(process_cpu_seconds_total{{{OF}}}[$__rate_interval]))",
                "{{component}} {{instance}}",
            ),
        ),
        graph(
            "Memory",
            "Resident memory of each process, without its children.",
            "bytes",
            Query(
                f"sum by (component, instance) (process_resident_memory_bytes{{{OF}}})",
                "{{component}} {{instance}}",
            ),
        ),
    ),
)

BOARD = Board(
    "workers",
    "Speechpipe / Workers and scaling",
    "Whether there are enough workers, why there are as many as there are, and what they do with their time.",
    (SCALING, JOBS, STT, TRANSLATION, PROCESSES),
    CHOICES,
)
