"""Every panel and rule, asked of a real Prometheus while people speak to a real pipeline under a real operator."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import numpy as np
import pytest
from callers import Caller
from overseen import NAMESPACE, OPERATOR_NAMESPACE, PIPELINE, overseen, relabelings
from processes import Service
from promql import RULES, Found, boards, panel_queries, rule_queries, rules, selectors
from speech import Clip, endless
from world import World

from speechpipe_common.testing import eventually
from speechpipe_common.testing_prometheus import Prometheus, Target
from speechpipe_operator.objects import COMPONENT_LABEL, PIPELINE_LABEL

RATE = 16_000
MAXMEMORY = 256 << 20
LOAD_SECONDS = 300.0
"""Longest that people speak until everything has been seen; half a minute is enough where nothing else runs."""
CHOSEN = {
    "$__rate_interval": "1m",
    "$namespace": f"{NAMESPACE}|{OPERATOR_NAMESPACE}",
    "$pipeline": PIPELINE,
    "$operator": OPERATOR_NAMESPACE,
}
"""What Grafana puts in the place of variables."""


def chosen(expr: str) -> str:
    """The query as Grafana sends it."""
    for name, value in CHOSEN.items():
        expr = expr.replace(name, value)
    assert "$" not in expr, expr
    return expr


def of(component: str, services: list[Service]) -> list[Target]:
    """Scraped as the pipeline's PodMonitor has it done, from pods with the labels that the operator gives them."""
    pod = {PIPELINE_LABEL: PIPELINE, COMPONENT_LABEL: component}
    found = {f"__meta_kubernetes_pod_label_{re.sub(r'[^a-zA-Z0-9_]', '_', name)}": value for name, value in pod.items()}
    return [Target(service.address, {"namespace": NAMESPACE, **found}, relabelings()) for service in services]


@contextlib.asynccontextmanager
async def watched(world: World, operator: Service, directory: Path) -> AsyncIterator[Prometheus]:
    """A Prometheus with the rules that are shipped, that scrapes all processes."""
    targets = {
        "pipeline": [*of("gateway", world.gateways), *of("stt", world.stt), *of("translation", world.translate)],
        "operator": [Target(operator.address, {"namespace": OPERATOR_NAMESPACE}, honor_labels=True)],
    }
    prometheus = Prometheus(directory / "prometheus", targets, RULES)
    await asyncio.to_thread(prometheus.start)
    try:
        yield prometheus
    finally:
        prometheus.kill()


def queries() -> list[Found]:
    """All that must have data: of panels and recording rules the result; of alerts each of the series that they read,
    since their result is there only when something is wrong.
    """
    alerts = {rule["alert"] for rule in rules() if "alert" in rule}
    asked = [Found(found.place, chosen(found.expr)) for found in panel_queries()]
    for found in rule_queries():
        read = selectors(found.expr) if found.place in alerts else [found.place]
        asked += [Found(f"rule {found.place}", selector) for selector in read]
    return asked


def breathless(clips: dict[int, list[Clip]]) -> list[Clip]:
    """Somebody who makes no pause for long, so that there is time for partials however slow the machine is."""
    some = clips[RATE] * 4
    return [Clip("long", " ".join(c.text for c in some), RATE, np.concatenate([c.samples for c in some]))]


class Unseen:
    """Queries that have had no data yet."""

    def __init__(self, prometheus: Prometheus) -> None:
        self._prometheus = prometheus
        self.left = queries()
        assert len(self.left) > 100

    async def all_seen(self) -> bool:
        """Ask those that are left; whether there is none any more."""
        self.left = await asyncio.to_thread(lambda: [f for f in self.left if not self._prometheus.has_data(f.expr)])
        return not self.left


def check_variables(prometheus: Prometheus) -> None:
    """Every choice at the top of a dashboard offers something, and what was chosen above is among it."""
    for name, board in boards().items():
        for variable in board["templating"]["list"]:
            if variable["type"] != "query":
                continue
            selector, label = chosen(variable["query"]).removeprefix("label_values(").removesuffix(")").rsplit(", ", 1)
            offered = prometheus.label_values(label, selector)
            assert set(offered) & set(CHOSEN[f"${variable['name']}"].split("|")), f"{name}: {variable['name']}"


def check_rules(prometheus: Prometheus) -> None:
    """Prometheus has evaluated every rule without an error."""
    seen = prometheus.rules()
    assert {rule["name"] for rule in seen} == {rule.get("alert") or rule["record"] for rule in rules()}
    assert [(rule["name"], rule.get("lastError")) for rule in seen if rule["health"] != "ok"] == []


@pytest.mark.timeout(900)
async def test_every_panel_and_rule_has_data_under_load(
    world: World, clips: dict[int, list[Clip]], tmp_path: Path, report: Callable[[str], None]
) -> None:
    """While people speak and are translated, and the operator scales workers, no query of a panel is empty or NaN, and
    no rule reads a series that nobody shows.
    """
    world.add_gateway()
    world.add_stt()
    world.add_translate()
    await world.start()
    await world.redis.config_set("maxmemory", MAXMEMORY)
    callers = [*world.callers(1), Caller("breathless", world.urls, endless(breathless(clips), 0), RATE)]
    async with overseen(world, tmp_path) as operator, watched(world, operator, tmp_path) as prometheus:
        unseen = Unseen(prometheus)
        asked = len(unseen.left)
        began = asyncio.get_running_loop().time()
        async with world.talking(callers):
            with contextlib.suppress(TimeoutError, AssertionError):
                await eventually(unseen.all_seen, "all queries to have data", LOAD_SECONDS)
            assert [found.place for found in unseen.left] == []
            seconds = asyncio.get_running_loop().time() - began
            await asyncio.to_thread(check_variables, prometheus)
            await asyncio.to_thread(check_rules, prometheus)
    assert [caller.failure for caller in callers if caller.failure] == []
    report(f"{asked} queries had data {seconds:.0f} s after people began to speak")
