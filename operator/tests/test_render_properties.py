"""Rendering holds for every pipeline that the types accept, not only for those somebody thought of."""

import copy
import re
from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from render_support import CONTEXT, component_of, of, pod_spec
from restricted import violations

from speechpipe_operator.objects import Object
from speechpipe_operator.plan import make_plan
from speechpipe_operator.render import Capabilities, RenderError, TemplateError, attempt, render
from speechpipe_operator.render.strategic import MergeError, strategic_merge
from speechpipe_operator.spec import API_VERSION, KIND, SpeechPipeline

LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")

dns = st.from_regex(r"[a-z]([-a-z0-9]{0,10}[a-z0-9])?", fullmatch=True)
names = st.one_of(dns, st.from_regex(r"[a-z][a-z0-9]{38}[a-z0-9]", fullmatch=True))
memory = st.sampled_from(["128Mi", "1Gi", "3G", "1000000000"])
amounts = st.dictionaries(
    st.sampled_from(["cpu", "memory", "example.com/x"]), st.sampled_from(["1", "500m", "2Gi", "1.5"])
)
text = st.text(st.characters(codec="utf-8", exclude_categories=("C",)), max_size=20)


def given_as(field: str) -> st.SearchStrategy[dict[str, str]]:
    """A mapping with that one field, a name."""
    return st.fixed_dictionaries({field: dns})


def one_number(section: dict[str, Any]) -> dict[str, Any]:
    """A section with replicas or autoscaling, not both."""
    return {name: value for name, value in section.items() if name != "replicas" or "autoscaling" not in section}


def some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """A mapping with any of the fields."""
    return st.fixed_dictionaries({}, optional=fields)


toleration = st.fixed_dictionaries(
    {"key": dns},
    optional={
        "operator": st.sampled_from(["Equal", "Exists"]),
        "effect": st.sampled_from(["NoSchedule", "NoExecute"]),
    },
)
gpu = some(
    resourceName=st.sampled_from(["nvidia.com/gpu", "nvidia.com/mig-1g.10gb", "amd.com/gpu"]),
    count=st.integers(1, 16),
    runtimeClassName=dns,
    nodeSelector=st.dictionaries(dns, dns, max_size=2),
    tolerations=st.lists(toleration, max_size=2),
    topologySpread=st.sampled_from(["none", "node", "zone"]),
    dra=st.fixed_dictionaries(
        {"deviceClassName": dns}, optional={"selectors": st.lists(text.filter(bool), max_size=2)}
    ),
)
cache = st.one_of(
    some(emptyDir=some(sizeLimit=memory)),
    some(pvc=some(size=memory, claimName=dns, storageClassName=dns, accessMode=st.just("ReadWriteOnce"))),
    st.fixed_dictionaries({"image": st.just({"reference": "registry.example.org/models:1"})}),
)
worker = some(
    replicas=st.integers(0, 5),
    autoscaling=some(
        minReplicas=st.integers(0, 3), maxReplicas=st.integers(1, 9), mode=st.sampled_from(["auto", "external"])
    ),
    gpu=gpu,
    modelCache=cache,
    offline=st.booleans(),
    startupSeconds=st.integers(10, 86_400),
    resources=some(requests=amounts, limits=amounts),
    env=st.dictionaries(st.from_regex(r"X_[A-Z]{1,5}", fullmatch=True), text, max_size=2),
)
gateway = st.fixed_dictionaries(
    {
        "auth": st.one_of(
            st.just({"mode": "none"}),
            st.fixed_dictionaries({"secretRef": st.fixed_dictionaries({"name": dns, "key": dns})}),
        )
    },
    optional={
        "replicas": st.integers(0, 5),
        "port": st.integers(1024, 8079),
        "autoscaling": some(minReplicas=st.integers(1, 3), maxReplicas=st.integers(1, 9)),
        "service": some(type=st.sampled_from(["ClusterIP", "NodePort", "LoadBalancer"]), port=st.integers(1, 65535)),
        "ingress": st.fixed_dictionaries({"host": dns}, optional={"className": dns, "tlsSecretName": dns}),
        "httpRoute": st.fixed_dictionaries(
            {"parentRefs": st.lists(st.fixed_dictionaries({"name": dns}), min_size=1, max_size=2)}
        ),
    },
)
redis = st.one_of(
    st.fixed_dictionaries(
        {"managed": some(memory=memory, persistence=st.sampled_from(["everysec", "always", "none"]))}
    ),
    st.fixed_dictionaries({"external": st.just({"url": "redis://redis.example.org:6379"})}),
    st.fixed_dictionaries({"external": st.just({"secretRef": {"name": "shared", "key": "url"}})}),
)
specs = st.fixed_dictionaries(
    {"gateway": gateway.map(one_number)},
    optional={
        "redis": redis,
        "stt": worker.map(one_number),
        "translation": worker.map(one_number),
        "images": some(registry=dns, tag=dns, redis=dns, pullSecrets=st.lists(dns, max_size=2)),
        "proxy": some(httpProxy=dns, noProxy=dns),
        "caBundle": st.one_of(given_as("configMap"), given_as("secret")),
        "networkPolicies": some(enabled=st.booleans(), gatewayFrom=st.lists(dns, max_size=2)),
        "priorityClassName": dns,
    },
)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
@given(names, specs)
def test_every_valid_pipeline_renders(name: str, spec: dict[str, Any]) -> None:
    """Whatever the types accept gives objects with valid, different names, twice the same, and restricted pods."""
    try:
        pipeline = SpeechPipeline.model_validate(
            {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": name}, "spec": spec}
        )
    except ValidationError:
        reject()
    plan = make_plan(pipeline)
    objects = render(pipeline, plan, CONTEXT)
    assert objects == render(pipeline, plan, CONTEXT)
    assert len({(obj["kind"], obj["metadata"]["name"]) for obj in objects}) == len(objects)
    for obj in objects:
        assert LABEL.fullmatch(obj["metadata"]["name"])
        assert all(len(value) <= 63 for value in obj["metadata"]["labels"].values())
        if obj["kind"] in ("Deployment", "StatefulSet"):
            _holds(obj)


def _holds(workload: Object) -> None:
    spec = pod_spec(workload)
    assert not list(violations(spec))
    main = spec["containers"][0]
    assert main["name"] == component_of(workload)
    variables = [entry["name"] for entry in main["env"]]
    assert variables == sorted(set(variables))
    assert all(VARIABLE.fullmatch(variable) for variable in variables)
    volumes = [volume["name"] for volume in spec["volumes"]]
    assert len(set(volumes)) == len(volumes)
    for name, amount in main["resources"].get("requests", {}).items():
        assert amount
        assert name


words = st.sampled_from(
    ["name", "env", "volumes", "containers", "initContainers", "ports", "stt", "tmp", "command", "$patch"]
)
junk = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=3), words, st.just("delete")),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(words, inner, max_size=4)),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(st.fixed_dictionaries({}, optional={"spec": st.dictionaries(words, junk, max_size=4)}))
def test_no_template_breaks_the_renderer(template: dict[str, Any]) -> None:
    """Whatever stands in a podTemplate is merged or refused with a sentence; the renderer itself never fails."""
    pipeline = of("").model_copy()
    spec = pipeline.spec.model_copy(update={"pod_template": template})
    changed = pipeline.model_copy(update={"spec": spec})
    for problem in attempt(changed, make_plan(changed), CONTEXT).problems:
        assert isinstance(problem, TemplateError)
        assert problem.place.startswith("spec.podTemplate")


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(words, junk, max_size=4), st.dictionaries(words, junk, max_size=4))
def test_merging_twice_is_merging_once(base: dict[str, Any], patch: dict[str, Any]) -> None:
    """A merge can be done again without a change, and leaves its arguments as they were."""
    before = copy.deepcopy((base, patch))
    try:
        once = strategic_merge(base, patch, "t")
        assert strategic_merge(once, patch, "t") == once
    except MergeError:
        pass
    assert (base, patch) == before


def test_devices_are_not_claimed_where_that_is_unknown() -> None:
    """Without DRA in the cluster, a component that asks for it is refused with what to do, and the others are there."""
    pipeline = of("  stt: {gpu: {dra: {deviceClassName: gpu.example.com}}}\n")
    rendering = attempt(pipeline, make_plan(pipeline), replace(CONTEXT, capabilities=Capabilities()))
    (problem,) = rendering.problems
    assert isinstance(problem, RenderError)
    assert str(problem).startswith("spec.stt.gpu.dra: this cluster has no resource.k8s.io API")
    assert {component_of(obj) for obj in rendering.objects} == {"pipeline", "redis", "gateway"}
