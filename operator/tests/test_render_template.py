"""podTemplate: what it may not say, and what becomes of it."""

import pytest
from render_support import CONTEXT, main_container, of, one, pod_spec, rendered

from speechpipe_operator.plan import make_plan
from speechpipe_operator.render import TemplateError, attempt

REFUSED: dict[str, tuple[str, str]] = {
    "labels of ours": (
        "{metadata: {labels: {speechpipe.dev/component: other}}}",
        "metadata.labels.speechpipe.dev/component: belongs to the operator",
    ),
    "annotations of ours": (
        "{metadata: {annotations: {speechpipe.dev/config: x}}}",
        "metadata.annotations.speechpipe.dev/config: belongs to the operator",
    ),
    "all labels": (
        "{metadata: {labels: {$patch: replace, a: b}}}",
        "metadata.labels.speechpipe.dev/pipeline: is gone",
    ),
    "a name": ("{metadata: {name: mine}}", "metadata.name: only labels and annotations"),
    "files of the node": (
        "{spec: {volumes: [{name: a, emptyDir: {}}, {name: b, hostPath: {path: /}}]}}",
        "spec.volumes[1].hostPath: the node's own files are out of bounds",
    ),
    "a privileged container of ours": (
        "{spec: {containers: [{name: stt, securityContext: {privileged: true}}]}}",
        "spec.containers[0].securityContext.privileged: no container of a pipeline may be privileged",
    ),
    "a privileged container of theirs": (
        "{spec: {initContainers: [{name: mine, securityContext: {privileged: true}}]}}",
        "spec.initContainers[0].securityContext.privileged: no container",
    ),
    "wiring": (
        "{spec: {containers: [{name: stt, env: [{name: A, value: b}, {name: REDIS_URL, value: 'redis://x'}]}]}}",
        "spec.containers[0].env[1]: REDIS_URL is set by the pipeline itself",
    ),
    "the password": (
        "{spec: {containers: [{name: stt, env: [{name: REDIS_PASSWORD, value: x}]}]}}",
        "spec.containers[0].env[0]: REDIS_PASSWORD is set by the pipeline itself",
    ),
    "no environment": (
        "{spec: {containers: [{name: stt, env: null}]}}",
        "spec.containers: the container stt needs HEALTH_HOST,",
    ),
    "our container away": (
        "{spec: {containers: [{name: stt, $patch: delete}]}}",
        "spec.containers: the container stt can be changed, not removed",
    ),
    "all containers replaced": (
        "{spec: {containers: [{$patch: replace}, {name: mine, image: i}]}}",
        "spec.containers: the container stt can be changed, not removed",
    ),
    "no command": (
        "{spec: {containers: [{name: stt, command: []}]}}",
        "spec.containers: the container stt needs its command",
    ),
    "no spec": ("{spec: {$patch: delete}}", "spec.containers: the container stt can be changed, not removed"),
    "ephemeral containers": ("{spec: {ephemeralContainers: [{name: d}]}}", "spec.ephemeralContainers: belongs to"),
    "a wrong shape": ("{spec: {containers: {name: stt}}}", "spec.containers: a list is needed"),
    "a wrong shape of metadata": ("{metadata: {labels: [a]}}", "metadata.labels: a mapping is needed"),
}


@pytest.mark.parametrize("place", ["podTemplate", "stt.podTemplate"])
@pytest.mark.parametrize("what", REFUSED)
def test_a_template_may_not(what: str, place: str) -> None:
    """What would break or free the pods is refused, with the place in the resource, wherever the template stands."""
    template, said = REFUSED[what]
    with pytest.raises(TemplateError) as refused:
        _refuse_stt(template, place)
    assert str(refused.value).startswith(f"spec.{place}.{said}")


def _refuse_stt(template: str, place: str) -> None:
    """Render with that template, and raise what is wrong with stt: other components have containers of other names."""
    pipeline = of(f"  podTemplate: {template}\n" if place == "podTemplate" else f"  stt: {{podTemplate: {template}}}\n")
    for problem in attempt(pipeline, make_plan(pipeline), CONTEXT).problems:
        if problem.component == "stt":
            raise problem


def test_one_bad_template_leaves_the_other_components() -> None:
    """A component that can't be rendered is missing whole, and named; all others are there."""
    pipeline = of("  stt: {podTemplate: {spec: {containers: [{name: stt, command: []}]}}}\n")
    rendering = attempt(pipeline, make_plan(pipeline), CONTEXT)
    assert [problem.component for problem in rendering.problems] == ["stt"]
    kinds = {(obj["kind"], obj["metadata"]["name"]) for obj in rendering.objects}
    assert {("StatefulSet", "x-redis"), ("Deployment", "x-gateway")} <= kinds
    assert not {name for _, name in kinds if name == "x-stt"}


def test_the_components_template_comes_last() -> None:
    """The pipeline's podTemplate reaches every pod, and the component's own is merged over it."""
    pipeline = of(
        "  podTemplate: {metadata: {annotations: {a: all, b: all}}, spec: {hostname: h}}\n"
        "  stt: {podTemplate: {metadata: {annotations: {b: stt}}}}\n"
    )
    objects = rendered(pipeline)
    stt, redis = (one(objects, kind, name) for kind, name in (("Deployment", "stt"), ("StatefulSet", "redis")))
    assert stt["spec"]["template"]["metadata"]["annotations"].items() >= {"a": "all", "b": "stt"}.items()
    assert redis["spec"]["template"]["metadata"]["annotations"].items() >= {"a": "all", "b": "all"}.items()
    assert pod_spec(stt)["hostname"] == pod_spec(redis)["hostname"] == "h"


def test_a_sidecar_and_an_extension_stand_together() -> None:
    """A template adds a container and extends ours, which keeps its command and everything else."""
    before = main_container(one(rendered(of("")), "Deployment", "stt"))
    template = "{spec: {containers: [{name: side, image: i}, {name: stt, env: [{name: EXTRA, value: e}]}]}}"
    objects = rendered(of(f"  stt: {{podTemplate: {template}}}\n"))
    ours, side = pod_spec(one(objects, "Deployment", "stt"))["containers"]
    assert side == {"name": "side", "image": "i"}
    assert ours == before | {"env": [*before["env"], {"name": "EXTRA", "value": "e"}]}
