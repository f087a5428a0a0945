"""The chart, installed by Helm as a user would."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kubectl import ROOT, Json, items, run
from pipelines import merged
from progress import say
from settings import Settings

CHART = ROOT / "charts" / "speechpipe"
PATIENCE = "6m"
SECONDS = 480.0
OPERATOR = "app.kubernetes.io/component=operator"


@dataclass
class Release:
    """A release of the chart; nothing is done before ``install``."""

    name: str
    namespace: str
    values: Json = field(default_factory=dict)

    def install(self) -> str:
        """Install it and wait until its operator is ready; the notes."""
        say(f"  helm install {self.name} in {self.namespace}")
        return self._with_values("install")

    def upgrade(self, **values: Any) -> str:
        """Upgrade it with values besides, which stay; the notes."""
        say(f"  helm upgrade {self.name}: {values}")
        self.values = merged(self.values, values)
        return self._with_values("upgrade")

    def rollback(self, revision: int) -> None:
        """Go back to a revision."""
        say(f"  helm rollback {self.name} {revision}")
        self._helm("rollback", self.name, str(revision), "--wait", "--timeout", PATIENCE)

    def test(self) -> str:
        """`helm test`; what it says, and what its pods said.

        Raises:
            CommandError: it failed.
        """
        say(f"  helm test {self.name}")
        return self._helm("test", self.name, "--timeout", PATIENCE)

    def uninstall(self, *, wait: bool = True) -> None:
        """Remove it and wait for that, unless told otherwise; one that is gone is no error."""
        waiting = ("--wait",) if wait else ()
        self._helm("uninstall", self.name, "--ignore-not-found", *waiting, "--timeout", PATIENCE)

    def revision(self) -> int:
        """Number of the revision that is deployed."""
        found: int = json.loads(self._helm("status", self.name, "-o", "json"))["version"]
        return found

    def operators(self) -> list[Json]:
        """Its pods."""
        return items("pods", self.namespace, f"app.kubernetes.io/instance={self.name},{OPERATOR}")

    def _with_values(self, verb: str) -> str:
        given = json.dumps(self.values)
        return self._helm(verb, self.name, str(CHART), "--values", "-", "--wait", "--timeout", PATIENCE, stdin=given)

    def _helm(self, *arguments: str, stdin: str | None = None) -> str:
        return run("helm", *arguments, "--namespace", self.namespace, stdin=stdin, seconds=SECONDS)


def values(settings: Settings, namespaces: Sequence[str], **others: Mapping[str, Any]) -> Json:
    """Values for an operator of some namespaces that looks often, so that no test waits for a resync."""
    base: Json = {
        "images": {"registry": settings.registry, "tag": settings.tag},
        "operator": {
            "watchNamespaces": list(namespaces),
            "settings": {"resyncSeconds": 8},
            "resources": {"requests": {"cpu": "20m", "memory": "128Mi"}},
        },
    }
    return merged(base, others)
