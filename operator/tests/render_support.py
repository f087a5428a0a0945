"""What tests of rendering share: the golden pipelines, their context, and YAML that people can read."""

from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import LiteralScalarString

from speechpipe_operator.load import load_file, load_text
from speechpipe_operator.objects import Object
from speechpipe_operator.plan import make_plan
from speechpipe_operator.render import Capabilities, Context, render
from speechpipe_operator.spec import SpeechPipeline

GOLDEN = Path(__file__).parent / "golden"
NAMES = ("dra", "external-redis", "full", "gpu", "minimal", "scale-to-zero", "sharded")
CONTEXT = Context(
    namespace="speech",
    uid="11111111-2222-3333-4444-555555555555",
    operator_namespace="speechpipe-system",
    version="1.2.3",
    capabilities=Capabilities(pod_monitor=True, dra="v1"),
    secrets={"gpu-redis-auth": "0000000000000001", "shared-redis": "0000000000000002"},
)
HEAD = "apiVersion: speechpipe.dev/v1alpha1\nkind: SpeechPipeline\nmetadata: {name: x}\nspec:\n"


def golden(name: str) -> SpeechPipeline:
    """The pipeline of a golden folder."""
    (pipeline,) = load_file(GOLDEN / name / "pipeline.yaml")
    return pipeline


def of(spec: str) -> SpeechPipeline:
    """The pipeline called x with that spec (YAML, indented by two), without authentication."""
    (pipeline,) = load_text(f"{HEAD}  gateway: {{auth: {{mode: none}}}}\n{spec}", "x.yaml")
    return pipeline


def rendered(pipeline: SpeechPipeline, **changes: Any) -> list[Object]:
    """Its objects, in ``CONTEXT`` with changes."""
    return render(pipeline, make_plan(pipeline), replace(CONTEXT, **changes))


def one(objects: list[Object], kind: str, component: str = "") -> Object:
    """The only object of that kind (and component)."""
    (found,) = [obj for obj in objects if obj["kind"] == kind and component in ("", component_of(obj))]
    return found


def component_of(obj: Object) -> str:
    """The component that an object belongs to."""
    label: str = obj["metadata"]["labels"]["speechpipe.dev/component"]
    return label


def pod_spec(obj: Object) -> Object:
    """The pod's spec in a workload."""
    spec: Object = obj["spec"]["template"]["spec"]
    return spec


def main_container(obj: Object) -> Object:
    """The component's container in a workload."""
    container: Object = pod_spec(obj)["containers"][0]
    return container


def as_yaml(objects: list[Object]) -> str:
    """The objects as documents, in their order."""
    yaml = YAML()
    yaml.width = 200
    yaml.representer.ignore_aliases = lambda _: True
    text = StringIO()
    yaml.dump_all([_shown(obj) for obj in objects], text)
    return text.getvalue()


def _shown(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _shown(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_shown(item) for item in value]
    return LiteralScalarString(value) if isinstance(value, str) and "\n" in value else value
