"""Asks a running Prometheus for every query of the chart's rules and dashboards."""

from collections.abc import Mapping
from typing import Final

from promql import Found, alerts, boards, panel_queries, rule_queries, rules, selectors

from speechpipe_common.testing_prometheus import Prometheus

PERIOD: Final = "$__rate_interval"
UNTRUE_OF_THE_WELL: Final = (
    "SpeechpipeDeadLetters",
    "SpeechpipeGatewayFull",
    "SpeechpipeJobsFailing",
    "SpeechpipeOperatorMissingAccess",
    "SpeechpipeOperatorWithoutLeader",
    "SpeechpipeRedisMemoryFull",
    "SpeechpipeRedisMemoryHigh",
    "SpeechpipeSessionsRefused",
    "SpeechpipeWorkersUnschedulable",
)
"""Alerts that a slow machine is no reason for."""


class Asked:
    """All that must have data while people speak: of panels and recording rules the result; of alerts each of the
    series that they read, since their result is there only when something is wrong.

    Args:
        prometheus: with the chart's rules.
        chosen: a regular expression for each variable of the dashboards, without its dollar.
        period: seconds that rates are taken over.
    """

    def __init__(self, prometheus: Prometheus, chosen: Mapping[str, str], period: int = 60) -> None:
        self._prometheus = prometheus
        self._chosen = {f"${name}": value for name, value in chosen.items()} | {PERIOD: f"{period}s"}
        self.left = self._all()
        """Queries that have had no data yet."""
        self.count = len(self.left)

    def _all(self) -> list[Found]:
        asked = [Found(found.place, self._sent(found.expr)) for found in panel_queries()]
        for found in rule_queries():
            read = selectors(found.expr) if found.place in alerts() else [found.place]
            asked += [Found(f"rule {found.place}", selector) for selector in read]
        return asked

    def _sent(self, expr: str) -> str:
        """The query as Grafana sends it."""
        for name, value in self._chosen.items():
            expr = expr.replace(name, value)
        if "$" in expr:
            raise ValueError(f"{expr}: a variable that nobody has chosen")
        return expr

    def all_seen(self) -> bool:
        """Ask those that are left; whether there is none any more."""
        self.left = [found for found in self.left if not self._prometheus.has_data(found.expr)]
        return not self.left

    def places(self) -> list[str]:
        """Where the queries stand that have had no data yet."""
        return [found.place for found in self.left]

    def wrong_variables(self) -> list[str]:
        """Choices at the top of dashboards that don't offer what was chosen."""
        wrong = []
        for name, board in boards().items():
            for variable in board["templating"]["list"]:
                if variable["type"] != "query":
                    continue
                query = self._sent(variable["query"]).removeprefix("label_values(").removesuffix(")")
                selector, label = query.rsplit(", ", 1)
                wanted = set(self._chosen[f"${variable['name']}"].split("|"))
                if not wanted & set(self._prometheus.label_values(label, selector)):
                    wrong.append(f"{name}: {variable['name']}")
        return wrong

    def false_alarms(self) -> list[str]:
        """Alerts that say at this moment what is not so of a pipeline that is well, however slow its machine."""
        named, own = alerts(), self._chosen["$pipeline"]
        told = {name: self._prometheus.query(named[name]["expr"]) for name in UNTRUE_OF_THE_WELL}
        return [name for name, some in told.items() if any(one.labels.get("pipeline", own) == own for one in some)]

    def wrong_rules(self) -> list[str]:
        """Rules that Prometheus does not have, or has not evaluated well."""
        seen = {rule["name"]: rule for rule in self._prometheus.rules()}
        names = [str(rule.get("alert") or rule["record"]) for rule in rules()]
        missing = [f"{name} is not loaded" for name in names if name not in seen]
        return missing + [f"{name}: {r.get('lastError')}" for name, r in seen.items() if r["health"] != "ok"]
