"""Things break in real pods while people speak: nothing is lost or doubled, and the status tells of it."""

import base64
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from faulting import MENDED_SECONDS, Stage, busy_gateway, drained, kill_pod, uids, until_mended, until_replaced
from kubectl import CommandError, Json, execute, get, kubectl, patch
from pipelines import Pipeline, claim, model, translation
from progress import until
from releases import Release
from settings import Settings
from speech import Clip
from states import serving


def spec(_: Settings) -> Json:
    """Two gateways, two STT workers, one that translates."""
    twice = {"replicas": 2}
    return {"gateway": twice, "stt": twice, "translation": translation()}


pytestmark = [pytest.mark.pipeline(spec=spec), pytest.mark.timeout(5400)]


@pytest.fixture
def stage(
    pipeline: Pipeline,
    settings: Settings,
    clips: list[Clip],
    folder: Path,
    rounds: int,
    report: Callable[[str], None],
) -> Iterator[Stage]:
    """The pipeline, with people who speak to it."""
    made = Stage(pipeline, settings, clips, folder)
    yield made
    for line in made.figures:
        report(f"{rounds} times: {line}")


@pytest.mark.alone
def test_a_drained_node_costs_nothing(stage: Stage, operator: Release, nodes: list[str], rounds: int) -> None:
    """A node that is drained and taken back costs no final, also where Redis can't leave it: the status says so."""
    for turn in range(rounds):
        node = nodes[turn % 2]
        with stage.played(f"load-{turn}", avoid=node) as scene:
            move_off(operator, node, stage.pipeline)
            scene.before(f"drain {node}, {turn + 1} of {rounds}")
            bound = [p for p in stage.pipeline.pods("redis") if p["spec"]["nodeName"] == node]
            with drained(node):
                if bound:
                    scene.recorder.until_said("RedisReady", "False", "Unschedulable")
                else:
                    scene.recorder.until_said("Ready", "False")
                    scene.after()
                assert not [p for p in stage.pipeline.pods() if p["spec"].get("nodeName") == node and serving(p)]
            scene.after()


def move_off(operator: Release, node: str, pipeline: Pipeline) -> None:
    """Let the operator be on another node, where it is on this one: who is moved with the pods can't tell of them."""
    if node not in {pod["spec"].get("nodeName") for pod in operator.operators()}:
        return
    kubectl("cordon", node)
    try:
        remove(operator, at_once=False)
        until_mended(pipeline)
    finally:
        kubectl("uncordon", node)


def test_a_deleted_stt_pod_costs_nothing(stage: Stage, rounds: int) -> None:
    """STT pods deleted under load, gently and at once, cost no final; SttReady says False until they are replaced."""
    with stage.played() as scene:
        for turn in range(rounds):
            scene.before(f"STT pod, {turn + 1} of {rounds}")
            kill_pod(stage.pipeline.staying("stt")[0], at_once=turn % 2 == 1)
            scene.recorder.until_said("SttReady", "False")
            scene.after()
            assert scene.recorder.story.said("Ready", "False")


def test_a_deleted_gateway_costs_nothing(stage: Stage, rounds: int) -> None:
    """Gateways deleted under load cost no final: clients go on at the other; GatewayReady says False meanwhile."""
    with stage.played() as scene:
        for turn in range(rounds):
            scene.before(f"gateway, {turn + 1} of {rounds}")
            kill_pod(busy_gateway(stage.pipeline), at_once=turn % 2 == 1)
            scene.recorder.until_said("GatewayReady", "False")
            scene.after()
    assert stage.resumed >= rounds


def test_a_deleted_redis_costs_nothing(stage: Stage, rounds: int) -> None:
    """A Redis that is deleted under load, and comes back on its volume, costs no final; RedisReady says False."""
    with stage.played() as scene:
        held = get("pvc", claim(stage.pipeline.name), stage.pipeline.namespace)["metadata"]["uid"]
        for turn in range(rounds):
            scene.before(f"Redis, {turn + 1} of {rounds}")
            pods = stage.pipeline.pods("redis")
            kill_pod(pods[0], at_once=turn % 2 == 1)
            scene.recorder.until_said("RedisReady", "False")
            until_replaced(stage.pipeline, "redis", pods)
            scene.after()
        assert get("pvc", claim(stage.pipeline.name), stage.pipeline.namespace)["metadata"]["uid"] == held


def test_a_deleted_operator_costs_nothing(stage: Stage, operator: Release, rounds: int) -> None:
    """While the operator is away nothing happens to pods or captions; the next one mends what was broken meanwhile."""
    with stage.played() as scene:
        for turn in range(rounds):
            scene.before(f"operator, {turn + 1} of {rounds}")
            pods = uids(stage.pipeline.staying())
            remove(operator, at_once=turn % 2 == 1)
            until_mended(stage.pipeline)
            scene.after()
            assert uids(stage.pipeline.staying()) == pods
            assert not scene.recorder.story.said("Ready", "False")


def remove(operator: Release, *, at_once: bool) -> None:
    """Delete the operator's pod and wait until it is gone."""
    old = operator.operators()
    kill_pod(old[0], at_once=at_once)
    until(lambda: not uids(old) & uids(operator.operators()), "the operator to be gone", MENDED_SECONDS)


def test_a_new_model_costs_nothing(stage: Stage, settings: Settings, rounds: int) -> None:
    """Workers that are replaced by workers with another model cost no final; Progressing says RollingOut."""
    with stage.played() as scene:
        for turn in range(rounds):
            name = ("base", "tiny.en")[turn % 2]
            scene.before(f"model {name}, {turn + 1} of {rounds}")
            pods = stage.pipeline.staying("stt")
            stage.pipeline.change(stt=model(name, settings))
            scene.recorder.until_said("Progressing", "True", "RollingOut")
            until_replaced(stage.pipeline, "stt", pods)
            scene.after()


def test_a_new_password_costs_nothing(stage: Stage, rounds: int) -> None:
    """The password of Redis is changed as docs/operator.md says, and costs no final; then the old one is refused."""
    pipeline = stage.pipeline
    with stage.played() as scene:
        for turn in range(rounds):
            scene.before(f"password, {turn + 1} of {rounds}")
            old = password(pipeline)
            new = f"changed-{turn}-{old[:8]}"
            every = {name: pipeline.staying(name) for name in ("redis", "gateway", "stt", "translation")}
            write_password(pipeline, {"password": new, "password-previous": old})
            scene.recorder.until_said("RedisReady", "False")
            for name, pods in every.items():
                until_replaced(pipeline, name, pods)
            scene.after()
            assert scene.recorder.story.said("Progressing", "True", "RollingOut")
            assert accepted(pipeline, old)
            assert accepted(pipeline, new)
            redis = pipeline.pods("redis")
            write_password(pipeline, {"password-previous": None})
            until_replaced(pipeline, "redis", redis)
            scene.after()
            assert not accepted(pipeline, old)
            assert accepted(pipeline, new)


def password(pipeline: Pipeline) -> str:
    """The password of its Redis."""
    secret = get("secret", f"{pipeline.name}-redis-auth", pipeline.namespace)
    return base64.b64decode(secret["data"]["password"]).decode()


def write_password(pipeline: Pipeline, values: dict[str, str | None]) -> None:
    """Set or remove keys of its Secret."""
    data = {key: base64.b64encode(value.encode()).decode() if value else None for key, value in values.items()}
    patch("secret", f"{pipeline.name}-redis-auth", {"data": data}, pipeline.namespace)


def accepted(pipeline: Pipeline, given: str) -> bool:
    """Whether its Redis takes a password."""
    command = f'REDISCLI_AUTH={given} exec "$(command -v valkey-cli || command -v redis-cli)" -e ping'
    try:
        return "PONG" in execute(f"{pipeline.name}-redis-0", pipeline.namespace, "sh", "-c", command)
    except CommandError as error:
        if "AUTH" not in error.said and "WRONGPASS" not in error.said:
            raise
        return False
