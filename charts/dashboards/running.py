"""The dashboard of the operator: is one active, does it keep up, and how are its pipelines?"""

from parts import OF, Board, Choice, Query, Row, graph, number, quantiles, rate

IT = 'namespace=~"$operator"'
"""Matcher of the operator's own series."""
_P = "speechpipe_operator_"

CHOICES = (
    Choice("operator", "Operator's namespace", "label_values(speechpipe_operator_pipelines, namespace)"),
    Choice("namespace", "Namespace", "label_values(speechpipe_operator_pipeline_condition, namespace)"),
    Choice(
        "pipeline",
        "Pipeline",
        'label_values(speechpipe_operator_pipeline_condition{namespace=~"$namespace"}, pipeline)',
    ),
)

GLANCE = Row(
    "At a glance",
    (
        number(
            "Active operators",
            "Operators that hold the lease: 1 in each namespace that has any.",
            "short",
            f'sum({_P}lease_state{{{IT}, state="active"}})',
        ),
        number("Pipelines", "SpeechPipelines that are known.", "short", f"sum({_P}pipelines{{{IT}}})"),
        number(
            "Pipelines not ready",
            "Those whose condition Ready is not True.",
            "short",
            f'count({_P}pipeline_condition{{{OF}, condition="Ready"}})'
            f' - sum({_P}pipeline_condition{{{OF}, condition="Ready"}} == bool 1)',
        ),
        number(
            "Missing",
            "Permissions, kinds and namespaces that the operator needs and has not; /ready says which.",
            "short",
            f"sum({_P}missing_access{{{IT}}})",
        ),
        number(
            "Longest wait",
            "How long the pipeline that waits longest has waited for a reconcile.",
            "s",
            f"max({_P}queue_oldest_seconds{{{IT}}})",
        ),
    ),
)

WORK = Row(
    "Work",
    (
        graph(
            "Reconciles",
            "Finished reconciles; failed ones are tried again with growing delays.",
            "ops",
            rate(f"{_P}reconciles_total", IT, "result", "{{result}}"),
        ),
        graph(
            "Duration of a reconcile",
            "From taking a pipeline up to having it right and its status told.",
            "s",
            *quantiles(f"{_P}reconcile_seconds", IT, 0.5, 0.95, 0.99),
        ),
        graph(
            "Queue",
            "Pipelines that wait, and wishes to look at one that come in a second.",
            "short",
            Query(f"sum({_P}queue_depth{{{IT}}})", "waiting"),
            Query(f"sum(rate({_P}queue_adds_total{{{IT}}}[$__rate_interval]))", "wishes a second"),
        ),
        graph(
            "Problems",
            "Problems of children by reason, and status and events that could not be written.",
            "ops",
            rate(f"{_P}errors_total", IT, "reason", "{{reason}}"),
        ),
        graph(
            "Children written",
            "Objects applied and pruned. At rest this is 0: something that undoes the operator's work shows here.",
            "ops",
            rate(f"{_P}child_writes_total", IT, "action, kind", "{{action}} {{kind}}"),
        ),
        graph(
            "Decisions of the autoscaler",
            "Looks at a stage by their reason; docs/resource.md and the status say what each means.",
            "ops",
            rate(f"{_P}decisions_total", IT, "component, reason", "{{component}} {{reason}}"),
        ),
    ),
)

API = Row(
    "The API server",
    (
        graph(
            "Requests, by code",
            "Every request, those of watches too; error: no answer.",
            "ops",
            rate(f"{_P}api_requests_total", IT, "code", "{{code}}"),
        ),
        graph(
            "Requests, by verb and kind",
            "At rest there should be next to none besides the lease.",
            "ops",
            rate(f"{_P}api_requests_total", IT, "verb, kind", "{{verb}} {{kind}}"),
        ),
        graph(
            "Events of watches",
            "What watches delivered, by kind, and lists and watches that had to be tried again.",
            "ops",
            rate(f"{_P}watch_events_total", IT, "kind", "{{kind}}"),
            Query(f"sum(rate({_P}watch_retries_total{{{IT}}}[$__rate_interval]))", "tried again"),
        ),
    ),
)

PIPELINES = Row(
    "Pipelines",
    (
        graph(
            "Conditions",
            "Of each pipeline's status: 1 True, 0 False, -1 Unknown. Degraded and Progressing are well at 0.",
            "none",
            Query(
                f"max by (namespace, pipeline, condition) ({_P}pipeline_condition{{{OF}}})",
                "{{namespace}}/{{pipeline}} {{condition}}",
            ),
            least=-1,
            most=1,
        ),
        graph(
            "Pods ready of those asked for",
            "Share of each component's pods that are ready; nothing where none is asked for.",
            "percentunit",
            Query(
                f"max by (namespace, pipeline, component) ({_P}ready_replicas{{{OF}}})"
                f" / (max by (namespace, pipeline, component) ({_P}spec_replicas{{{OF}}}) > 0)",
                "{{namespace}}/{{pipeline}} {{component}}",
            ),
        ),
        graph(
            "Paused",
            "1 while spec.paused is true: nothing of that pipeline is applied, mended or scaled.",
            "bool_yes_no",
            Query(
                f"max by (namespace, pipeline) ({_P}pipeline_paused{{{OF}}})",
                "{{namespace}}/{{pipeline}}",
            ),
            most=1,
        ),
    ),
)

PROCESS = Row(
    "Process",
    (
        graph(
            "Lease",
            "What each operator is: active, standby, or lost (it ends).",
            "bool_yes_no",
            Query(f"max by (instance, state) ({_P}lease_state{{{IT}}})", "{{instance}} {{state}}"),
            most=1,
        ),
        graph(
            "CPU",
            "Cores used by each operator.",
            "none",
            Query(
                f"rate(process_cpu_seconds_total{{{IT}}}[$__rate_interval]) and on (instance) {_P}pipelines{{{IT}}}",
                "{{instance}}",
            ),
        ),
        graph(
            "Memory",
            "Resident memory of each operator.",
            "bytes",
            Query(
                f"process_resident_memory_bytes{{{IT}}} and on (instance) {_P}pipelines{{{IT}}}",
                "{{instance}}",
            ),
        ),
    ),
)

BOARD = Board(
    "operator",
    "Speechpipe / Operator",
    "Whether an operator is active and keeps up, what it asks of the API server, and how its pipelines are.",
    (GLANCE, WORK, API, PIPELINES, PROCESS),
    CHOICES,
)
