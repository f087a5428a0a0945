"""The CustomResourceDefinition as ``kubectl apply`` takes it."""

from io import StringIO
from typing import Any, Final

from ruamel.yaml import YAML

from speechpipe_operator.crd.schema import Schema, structural
from speechpipe_operator.spec import API_VERSION, KIND, SpeechPipeline
from speechpipe_operator.spec.rules import VALIDATIONS
from speechpipe_operator.spec.status import Status

GROUP, VERSION = API_VERSION.split("/")
PLURAL: Final = "speechpipelines"

HEADER: Final = "# Generated from operator/src/speechpipe_operator/spec by `make generate`; do not edit.\n"

COLUMNS: Final = (
    ("Ready", "string", '.status.conditions[?(@.type=="Ready")].status', "Whether the pipeline serves.", 0),
    ("Gateways", "string", ".status.gatewaySummary", "Gateways, ready/desired.", 0),
    ("STT", "string", ".status.sttSummary", "STT workers, ready/desired.", 0),
    ("Translation", "string", ".status.translationSummary", "Translation workers, ready/desired.", 0),
    ("Backlog", "integer", ".status.backlog", "Jobs that wait or are being worked on.", 0),
    ("Age", "date", ".metadata.creationTimestamp", "Time since it was made.", 0),
    ("Reason", "string", ".status.reason", "Reason of the first condition to look at.", 1),
    ("Endpoint", "string", ".status.endpoint", "Address that clients connect to.", 1),
)
"""Name, type, path, description, and priority (1: only with -o wide)."""


def schema() -> Schema:
    """The structural schema of the whole resource, status included."""
    whole = structural(SpeechPipeline)
    named = {
        "apiVersion": {"type": "string", "description": f"Version of this document's shape: {API_VERSION}."},
        "kind": {"type": "string", "description": f"Kind of this document: {KIND}."},
        # What an object's metadata holds is no business of a definition's.
        "metadata": {"type": "object"},
    }
    properties = named | {"spec": whole["properties"]["spec"], "status": structural(Status)}
    return {
        "type": "object",
        "description": whole["description"],
        "required": ["spec"],
        "properties": properties,
        VALIDATIONS: whole[VALIDATIONS],
    }


def definition() -> dict[str, Any]:
    """The CustomResourceDefinition."""
    version = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": [_column(*column) for column in COLUMNS],
        "schema": {"openAPIV3Schema": schema()},
    }
    names = {"kind": KIND, "listKind": f"{KIND}List", "plural": PLURAL, "singular": KIND.lower(), "shortNames": ["sp"]}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURAL}.{GROUP}"},
        "spec": {"group": GROUP, "names": names, "scope": "Namespaced", "versions": [version]},
    }


def manifest() -> str:
    """The definition as a YAML file."""
    yaml = YAML()
    yaml.width = 110
    yaml.representer.ignore_aliases = lambda _: True
    text = StringIO()
    yaml.dump(definition(), text)
    return HEADER + text.getvalue()


def _column(name: str, kind: str, path: str, description: str, priority: int) -> dict[str, Any]:
    wide = {"priority": priority} if priority else {}
    return {"name": name, "type": kind, "jsonPath": path, "description": description, **wide}
