"""Helm as a command, with nothing of the user's own settings."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

CHART = Path(__file__).resolve().parents[1] / "speechpipe"
RELEASE = "speech"

Values = dict[str, Any]
Document = dict[str, Any]


class HelmError(AssertionError):
    """Helm failed; the message is what it said."""


@dataclass(frozen=True)
class Helm:
    """Runs Helm on one chart, on the cluster of ``kubeconfig`` where that is given."""

    command: Path
    folder: Path
    chart: Path
    kubeconfig: Path | None = None
    namespace: str = "default"

    def run(self, *arguments: str) -> str:
        """Run a command; what it wrote.

        Raises:
            HelmError: it failed.
        """
        done = subprocess.run(
            [str(self.command), *arguments], env=self._env(), capture_output=True, text=True, check=False, timeout=600
        )
        if done.returncode:
            raise HelmError(f"helm {' '.join(arguments)}: {done.stderr.strip()}\n{done.stdout.strip()}")
        return done.stdout

    def template(self, values: Values | None = None, *options: str, namespace: str = "speechpipe") -> list[Document]:
        """All objects of a release, hooks too."""
        text = self.run("template", RELEASE, str(self.chart), "--namespace", namespace, *self.given(values), *options)
        return [document for document in parse(text) if document]

    def given(self, values: Values | None) -> list[str]:
        """Values as options."""
        if not values:
            return []
        file = self.folder / f"values-{abs(hash(json.dumps(values, sort_keys=True)))}.json"
        file.write_text(json.dumps(values))
        return ["--values", str(file)]

    def _env(self) -> dict[str, str]:
        home = self.folder / "helm"
        home.mkdir(exist_ok=True)
        config = str(self.kubeconfig) if self.kubeconfig else os.devnull
        return {"PATH": os.environ["PATH"], "HOME": str(home), "KUBECONFIG": config, "HELM_NAMESPACE": self.namespace}


def parse(text: str) -> list[Document]:
    """The documents of a YAML stream."""
    return list(YAML(typ="safe", pure=False).load_all(text))


def is_hook(document: Document, event: str = "") -> bool:
    """Whether it is a hook of that event; of any, unless one is given."""
    events = document["metadata"].get("annotations", {}).get("helm.sh/hook", "")
    return event in events.split(",") if event else bool(events)


def of_kind(documents: list[Document], *kinds: str) -> list[Document]:
    """Those of these kinds."""
    return [document for document in documents if document["kind"] in kinds]


def pods_of(documents: list[Document]) -> list[tuple[str, Document]]:
    """Name and pod (metadata, spec) of everything that becomes pods."""
    found = []
    for document in documents:
        name = f"{document['kind']}/{document['metadata']['name']}"
        if document["kind"] == "Pod":
            found.append((name, {"metadata": document["metadata"], "spec": document["spec"]}))
        elif document["kind"] in ("Deployment", "Job"):
            found.append((name, document["spec"]["template"]))
    return found
