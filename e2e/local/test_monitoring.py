"""Every panel and rule, asked of a real Prometheus while people speak to a real pipeline under a real operator."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from asking import Asked
from callers import Caller
from overseen import NAMESPACE, OPERATOR_NAMESPACE, PIPELINE, document, overseen
from processes import Service
from promql import RULES
from speech import Clip, breathless, endless
from world import World

from speechpipe_common.testing import eventually
from speechpipe_common.testing_prometheus import Prometheus, Target
from speechpipe_operator.objects import COMPONENT_LABEL, PIPELINE_LABEL
from speechpipe_operator.testing.scraping import discovered, relabelings

RATE = 16_000
MAXMEMORY = 256 << 20
LOAD_SECONDS = 480.0
"""Longest that people speak until everything has been seen; half a minute is enough where nothing else runs."""
CHOSEN = {"namespace": f"{NAMESPACE}|{OPERATOR_NAMESPACE}", "pipeline": PIPELINE, "operator": OPERATOR_NAMESPACE}


def of(component: str, services: list[Service]) -> list[Target]:
    """Scraped as the pipeline's PodMonitor has it done, from pods with the labels that the operator gives them."""
    labels = discovered({PIPELINE_LABEL: PIPELINE, COMPONENT_LABEL: component})
    rules = relabelings(document("redis://127.0.0.1"), NAMESPACE)
    return [Target(service.address, {"namespace": NAMESPACE, **labels}, rules) for service in services]


@contextlib.asynccontextmanager
async def watched(world: World, operator: Service, directory: Path) -> AsyncIterator[Prometheus]:
    """A Prometheus with the rules that are shipped, that scrapes all processes."""
    targets = [
        *of("gateway", world.gateways),
        *of("stt", world.stt),
        *of("translation", world.translate),
        Target(operator.address, {"namespace": OPERATOR_NAMESPACE}, honor_labels=True),
    ]
    scrapes = [target.config(f"target-{number}") for number, target in enumerate(targets)]
    prometheus = Prometheus(directory / "prometheus", scrapes, RULES)
    await asyncio.to_thread(prometheus.start)
    try:
        yield prometheus
    finally:
        prometheus.kill()


@pytest.mark.timeout(1200)
async def test_every_panel_and_rule_has_data_under_load(
    world: World, clips: dict[int, list[Clip]], tmp_path: Path, report: Callable[[str], None]
) -> None:
    """While people speak and are translated, and the operator scales workers, no query of a panel is empty or NaN, and
    no rule reads a series that nobody shows, nor tells of what is not so.
    """
    world.add_gateway()
    world.add_stt()
    world.add_translate()
    await world.start()
    await world.redis.config_set("maxmemory", MAXMEMORY)
    long = endless([breathless(clips[RATE])], 0)
    callers = [*world.callers(1), Caller("breathless", world.urls, long, RATE)]
    async with overseen(world, tmp_path) as operator, watched(world, operator, tmp_path) as prometheus:
        asked = Asked(prometheus, CHOSEN)
        assert asked.count > 100
        began = asyncio.get_running_loop().time()
        async with world.talking(callers):
            with contextlib.suppress(AssertionError):  # which are left says more
                await eventually(lambda: asyncio.to_thread(asked.all_seen), "all to have data", LOAD_SECONDS)
            assert asked.places() == []
            seconds = asyncio.get_running_loop().time() - began
            assert await asyncio.to_thread(asked.wrong_variables) == []
            assert await asyncio.to_thread(asked.wrong_rules) == []
            assert await asyncio.to_thread(asked.false_alarms) == []
    assert [caller.failure for caller in callers if caller.failure] == []
    report(f"{asked.count} queries had data {seconds:.0f} s after people began to speak")
