"""Rules that Prometheus takes, alerts that fire when they should and only then, each with a page on what to do."""

import subprocess

import pytest
from helm import Helm, of_kind
from metrics_page import sample_names
from promql import RULES, alerts, metrics, parsed, rule_queries, rules
from value_sets import SETS

from speechpipe_common.testing_prometheus import prometheus_command

HERE = RULES[0].parents[4]
RUNBOOKS = HERE / "docs" / "runbooks"
CASES = sorted((HERE / "charts" / "tests" / "rules").glob("*.test.yaml"))
RUNBOOK_URL = "https://speechpipe.dev/docs/runbooks/"
PARTS = ("## Meaning", "## Impact", "## How to look", "## What to do")


def promtool(*arguments: str) -> None:
    """Run promtool; its output is the failure."""
    done = subprocess.run(
        [prometheus_command("promtool"), *arguments], cwd=CASES[0].parent, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_takes_the_rules() -> None:
    """Promtool finds nothing wrong with any file, duplicates included."""
    promtool("check", "rules", "--lint=all", "--lint-fatal", *map(str, RULES))


@pytest.mark.parametrize("cases", CASES, ids=lambda path: path.name)
def test_alerts_fire_when_they_should_and_only_then(cases) -> None:
    """Each timeline gives exactly the alerts that it says, texts included."""
    promtool("test", "rules", cases.name)


def test_every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    """No alert without both; and no case of an alert that is gone."""
    looks = [look for path in CASES for test in parsed(path)["tests"] for look in test["alert_rule_test"]]
    assert {look["alertname"] for look in looks if look.get("exp_alerts")} == set(alerts())
    assert {look["alertname"] for look in looks if not look.get("exp_alerts")} == set(alerts())


@pytest.mark.parametrize("name", alerts())
def test_every_alert_says_what_is_wrong_and_where_help_stands(name: str) -> None:
    """Severity, summary, description, and a runbook that exists and has all its parts."""
    alert = alerts()[name]
    assert alert["labels"]["severity"] in ("warning", "critical")
    annotations = alert["annotations"]
    assert annotations.keys() == {"summary", "description", "runbook_url"}
    assert annotations["runbook_url"] == f"{RUNBOOK_URL}{name}.md"
    text = (RUNBOOKS / f"{name}.md").read_text()
    assert text.startswith(f"# {name}\n")
    assert [part for part in PARTS if part not in text] == []


def test_every_runbook_has_its_alert() -> None:
    """None is left of an alert that is gone."""
    assert {path.stem for path in RUNBOOKS.glob("*.md")} == set(alerts())


@pytest.mark.parametrize(
    ("kind", "endpoints"), [("PodMonitor", "podMetricsEndpoints"), ("ServiceMonitor", "endpoints")]
)
def test_the_operators_own_labels_are_kept(helm: Helm, kind: str, endpoints: str) -> None:
    """What it tells of a pipeline has that pipeline's namespace, which scraping must not replace by the operator's."""
    (monitor,) = of_kind(helm.template(SETS[f"Prometheus by {kind}"]), kind)
    assert [endpoint["honorLabels"] for endpoint in monitor["spec"][endpoints]] == [True]


def test_every_metric_in_a_rule_exists() -> None:
    """What rules read is in a registry of the code, and recorded series are recorded."""
    missing = [(found.place, name) for found in rule_queries() for name in metrics(found.expr) - sample_names()]
    assert missing == []
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    read = {word for found in rule_queries() for word in found.expr.replace("(", " ").split() if word.count(":") == 2}
    assert read <= recorded
