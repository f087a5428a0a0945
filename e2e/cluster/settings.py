"""What the suite is told through its environment."""

import os
import uuid
from dataclasses import dataclass, field
from importlib.metadata import version

from speechpipe_operator.spec import Images

RUN_LABEL = "speechpipe.dev/e2e"
"""On everything that the suite makes outside its own namespaces, and on these."""


def _from(variable: str, default: str) -> str:
    return os.environ.get(variable) or default


@dataclass(frozen=True)
class Settings:
    """Where images are, and what this run is called."""

    registry: str = field(default_factory=lambda: _from("E2E_REGISTRY", Images().registry))
    tag: str = field(default_factory=lambda: _from("E2E_TAG", version("speechpipe-operator")))
    valkey: str = field(default_factory=lambda: _from("E2E_VALKEY", ""))
    """Whole reference of Valkey's image; empty: the operator's own."""
    node_tools: str = field(default_factory=lambda: _from("E2E_NODE_TOOLS", "speechpipe.dev/node-tools:local"))
    """An image with a shell, busybox and nft, for what has to be done on nodes."""
    run: str = field(default_factory=lambda: uuid.uuid4().hex[:6])

    def image(self, component: str) -> str:
        """Reference of one of the project's images."""
        return f"{self.registry}/{component}:{self.tag}"

    def model_image(self, model: str) -> str:
        """Reference of an image that holds a Whisper model (``tiny.en``, ``base``) as files."""
        return self.image(f"model-whisper-{model}")
