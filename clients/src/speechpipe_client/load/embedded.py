"""The pipeline that ``speechpipe load`` starts where it is given none. Needs the runner, speechpipe-operator."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from speechpipe_client.demo.pipeline import quiet_pipeline
from speechpipe_client.errors import SpeechpipeError
from speechpipe_client.load.server import Process
from speechpipe_operator.components import Plan
from speechpipe_operator.local import LocalError
from speechpipe_operator.plan import make_plan
from speechpipe_operator.spec import API_VERSION, KIND, SpeechPipeline

SESSIONS = 10_000
"""Its gateway's limits: a load is to find out what the machine can do, not what somebody has set."""


def load_plan(model: str, engine: str | None, device: str = "cpu") -> Plan:
    """Valkey, a gateway that takes everybody, one STT worker; ``engine`` None is the default one."""
    stt: dict[str, object] = {"model": model, "device": device}
    if engine is not None:
        stt["engine"] = engine
    spec = {
        "redis": {"managed": {"persistence": "none"}},
        "gateway": {
            "auth": {"mode": "none"},
            "limits": {"sessions": SESSIONS, "sessionsPerKey": SESSIONS, "queueDepth": SESSIONS},
        },
        "stt": stt,
    }
    document = {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": "load"}, "spec": spec}
    return make_plan(SpeechPipeline.model_validate(document))


@asynccontextmanager
async def embedded(plan: Plan, log: Path) -> AsyncIterator[tuple[list[str], list[Process]]]:
    """Run a plan on free ports: the addresses of its gateways, and its processes that tell what they cost.

    Raises:
        SpeechpipeError: it could not be started; the message names its log.
    """
    async with AsyncExitStack() as stack:
        try:
            pipeline = await stack.enter_async_context(quiet_pipeline(plan, log))
        except LocalError as error:
            raise SpeechpipeError(f"{error}; the pipeline's log: {log}") from error
        instances = [each for component in plan.components for each in pipeline.instances(component.name)]
        told = [each for each in instances if "health" in each.ports]
        yield (
            pipeline.gateway_urls,
            [Process(each.name, f"http://127.0.0.1:{each.ports['health']}/metrics") for each in told],
        )
