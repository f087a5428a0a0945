"""What the chart renders, seen without a cluster."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from helm import CHART, Document, Helm, HelmError, is_hook, of_kind, parse, pods_of
from packaging.version import Version
from value_sets import MINIMAL, SETS, TEAMS

from speechpipe_operator.runtime.settings import OperatorSettings
from speechpipe_operator.spec import Images

ROOT = CHART.parents[1]
RBAC = ROOT / "operator" / "rbac"

Rules = set[tuple[str, str, str]]


def granted(documents: list[Document]) -> Rules:
    """What roles grant, as (group, resource, verb)."""
    return {
        (group, resource, verb)
        for document in of_kind(documents, "Role", "ClusterRole")
        for rule in document["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def operators(documents: list[Document]) -> list[Document]:
    """Roles and bindings of the operator: not of hooks, nor for people."""
    people = re.compile(r"-(view|edit)\.")
    return [d for d in documents if not is_hook(d) and not people.search(d["metadata"]["name"])]


def leaves(values: dict[str, Any], place: str = "") -> Iterator[str]:
    """Places of all values that are no mapping of values."""
    for name, value in values.items():
        here = f"{place}.{name}"
        if isinstance(value, dict) and value and name not in ("labels", "resources"):
            yield from leaves(value, here)
        else:
            yield here


def test_lint(helm: Helm):
    """`helm lint --strict` finds nothing, with any of the value sets."""
    for values in SETS.values():
        helm.run("lint", "--strict", str(CHART), *helm.given(values))


def test_the_chart_installs_the_operator_of_this_repository():
    """appVersion, which is the tag of images, is the operator's version; the registry is that of pipelines."""
    chart, values = parse((CHART / "Chart.yaml").read_text())[0], parse((CHART / "values.yaml").read_text())[0]
    project = (ROOT / "operator" / "pyproject.toml").read_text()
    assert f'version = "{chart["appVersion"]}"' in project
    assert Version(chart["version"]) >= Version("0.1.0")
    assert values["images"]["registry"] == Images().registry


def test_every_value_is_read():
    """No value stands in values.yaml that no template reads."""
    texts = "".join(path.read_text() for path in (CHART / "templates").rglob("*") if path.is_file())
    values = parse((CHART / "values.yaml").read_text())[0]
    del values["global"], values["operator"]["settings"]  # nobody's, and a loop's
    unread = [place for place in leaves(values) if not re.search(rf"\.{re.escape(place.rpartition('.')[2])}\b", texts)]
    assert unread == []


@pytest.mark.parametrize(
    ("file", "values"),
    [("cluster.yaml", {}), ("namespaced.yaml", {"operator": {"watchNamespaces": list(TEAMS)}})],
)
def test_roles_are_those_that_the_operator_was_tested_under(file: str, values: dict, helm: Helm):
    """The chart grants what operator/rbac does, no more and no less, cluster-wide and in chosen namespaces."""
    rendered = operators(helm.template(values))
    assert granted(rendered) == granted(parse((RBAC / file).read_text()))
    assert bool(of_kind(rendered, "ClusterRole", "ClusterRoleBinding")) == (file == "cluster.yaml")
    roles = [d["metadata"]["namespace"] for d in of_kind(rendered, "Role") if "lease" not in d["metadata"]["name"]]
    assert roles == ([] if file == "cluster.yaml" else list(TEAMS))


def test_the_hook_may_touch_this_definition_alone(helm: Helm):
    """The job that upgrades the definition may get, create and patch that one, and do nothing else."""
    (role,) = [d for d in of_kind(helm.template(), "ClusterRole") if is_hook(d, "pre-upgrade")]
    (rule,) = role["rules"]
    assert rule["resourceNames"] == ["speechpipelines.speechpipe.dev"]
    assert rule["resources"] == ["customresourcedefinitions"]
    assert set(rule["verbs"]) == {"create", "get", "patch"}


def test_without_purge_nothing_is_deleted(helm: Helm):
    """No hook runs before an uninstall unless it is asked for."""
    assert not [d for d in helm.template(SETS["the examples"]) if is_hook(d, "pre-delete")]


@pytest.mark.parametrize("name", SETS)
def test_the_operators_environment_is_one_that_it_takes(name: str, helm: Helm, monkeypatch: pytest.MonkeyPatch):
    """Each variable of the rendered Deployment is a setting of the operator, with a value that it accepts."""
    (deployment,) = of_kind(helm.template(SETS[name]), "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    known = {field.upper() for field in OperatorSettings.model_fields}
    extra = {item["name"] for item in SETS[name].get("operator", {}).get("extraEnv", [])}
    for item in container["env"]:
        assert item["name"] in known | extra
        monkeypatch.setenv(item["name"], item.get("value", "a-pod"))
    settings = OperatorSettings()
    assert settings.health_port == container["ports"][0]["containerPort"]
    assert settings.namespaces == tuple(SETS[name].get("operator", {}).get("watchNamespaces", ()))


def test_selectors_do_not_meet(helm: Helm):
    """The operator's selector selects its own pods, and neither those of hooks and tests nor of pipelines."""
    documents = helm.template(SETS["some namespaces"])
    (deployment,) = of_kind(documents, "Deployment")
    wanted = deployment["spec"]["selector"]["matchLabels"].items()
    selected = [name for name, pod in pods_of(documents) if wanted <= pod["metadata"]["labels"].items()]
    assert selected == [f"Deployment/{deployment['metadata']['name']}"]


def test_pipelines_take_over_the_images(helm: Helm):
    """What is said of images once holds for the operator, hooks, tests and pipelines; a pipeline's own goes before."""
    values = json.loads(json.dumps(SETS["a mirror"]))
    values["pipelines"]["other"] = {"spec": MINIMAL["spec"] | {"images": {"tag": "own", "stt": "elsewhere/stt:1"}}}
    documents = helm.template(values)
    images = {d["metadata"]["name"]: d["spec"]["images"] for d in of_kind(documents, "SpeechPipeline")}
    mirror = values["images"]
    assert images == {"captions": mirror, "other": mirror | {"tag": "own", "stt": "elsewhere/stt:1"}}
    for name, pod in pods_of(documents):
        (container,) = pod["spec"]["containers"]
        assert container["image"].startswith("mirror.example.com:5000/speech/"), name
        assert container["image"].endswith(":1.2.3"), name
        assert pod["spec"]["imagePullSecrets"] == [{"name": "mirror"}], name


def test_a_pipeline_that_nobody_serves_is_refused(helm: Helm):
    """A pipeline in a namespace that the operator does not serve ends the installation, with both names."""
    values = {
        "operator": {"watchNamespaces": list(TEAMS)},
        "pipelines": {"captions": MINIMAL | {"namespace": "elsewhere"}},
    }
    with pytest.raises(HelmError, match=r"nobody would serve namespace elsewhere.*team-a, team-b"):
        helm.template(values)


def test_what_is_in_the_files_is_embedded(helm: Helm):
    """Each file of rules is a PrometheusRule and each dashboard a ConfigMap, with nothing of them interpreted."""
    documents = helm.template(SETS["Prometheus by PodMonitor"])
    rules = [d["spec"] for d in of_kind(documents, "PrometheusRule")]
    assert rules == [parse(path.read_text())[0] for path in sorted((CHART / "files" / "rules").glob("*.yaml"))]
    embedded = {name: json.loads(text) for d in of_kind(documents, "ConfigMap") for name, text in d["data"].items()}
    files = (CHART / "files" / "dashboards").glob("*.json")
    assert embedded == {path.name: json.loads(path.read_text()) for path in files}


def test_auto_means_what_the_cluster_knows(helm: Helm):
    """Without the Prometheus operator's kinds nothing of it is rendered; with one of them, that one is."""
    kinds = ("PodMonitor", "ServiceMonitor", "PrometheusRule")
    assert not of_kind(helm.template(), *kinds)
    served = helm.template(None, "--api-versions", "monitoring.coreos.com/v1/PodMonitor")
    assert [d["kind"] for d in of_kind(served, *kinds)] == ["PodMonitor"]
