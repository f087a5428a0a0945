"""What is mounted into a component's pods, and the init containers that fill it."""

from dataclasses import dataclass, field
from typing import Final

from speechpipe_operator.components import Component
from speechpipe_operator.objects import Object
from speechpipe_operator.render.context import Frame
from speechpipe_operator.render.environment import (
    CA_FILE,
    MODELS,
    RUN,
    TMP,
    secret_files,
    secret_folder,
    secret_volume,
)
from speechpipe_operator.render.meta import present
from speechpipe_operator.render.security import every_container
from speechpipe_operator.spec import CaBundle, ModelCache

READABLE: Final = 0o440
"""Mode of mounted secrets: for the pod's user and group."""

COPIED: Final = f"{RUN}/models"
"""Where the volume is while models are copied into it: mounted at /models, it would hide an image's own /models."""

JOIN: Final = """\
import ssl, sys
from pathlib import Path
usual = Path(ssl.get_default_verify_paths().cafile or "/etc/ssl/certs/ca-certificates.crt")
parts = [path.read_text() for path in (usual, Path(sys.argv[1])) if path.exists() or path != usual]
Path(sys.argv[2]).write_text("\\n".join(parts))
"""
"""SSL_CERT_FILE replaces the usual authorities; those of the bundle are wanted besides."""


@dataclass
class Mounts:
    """Volumes of a pod, mounts of its main container, and init containers."""

    volumes: list[Object] = field(default_factory=list)
    mounts: list[Object] = field(default_factory=list)
    inits: list[Object] = field(default_factory=list)

    def add(self, name: str, source: Object, path: str, *, read_only: bool = False) -> None:
        """A volume and its mount in the main container."""
        self.volumes.append({"name": name, **source})
        self.mounts.append({"name": name, "mountPath": path, **({"readOnly": True} if read_only else {})})


def mounts(frame: Frame, component: Component, image: Object) -> Mounts:
    """All that a service's pods mount; ``image`` is reference and pull policy of its own image."""
    made = Mounts()
    made.add("tmp", {"emptyDir": {}}, TMP)
    for variable, value in sorted(secret_files(component).items()):
        source = {"secretName": value.secret, "defaultMode": READABLE, "items": [{"key": value.key, "path": value.key}]}
        made.add(secret_volume(variable), {"secret": source}, secret_folder(variable), read_only=True)
    if component.pods.model_cache is not None:
        _models(frame, component, component.pods.model_cache, made)
    if frame.pipeline.spec.ca_bundle is not None:
        _authorities(frame.pipeline.spec.ca_bundle, image, made)
    return made


def model_claim_name(frame: Frame, component: str) -> str:
    """Name of the claim that is made for the models of a component."""
    return f"{frame.name(component)}-models"


def _helper_resources() -> Object:
    """Of init containers that only copy; the pod's own requests are above them."""
    return {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}}


def _models(frame: Frame, component: Component, cache: ModelCache, made: Mounts) -> None:
    source: Object = {"emptyDir": {}}
    if cache.pvc is not None:
        claim = cache.pvc.claim_name or model_claim_name(frame, component.name)
        source = {"persistentVolumeClaim": {"claimName": claim}}
    elif cache.empty_dir is not None:
        source = {"emptyDir": present(sizeLimit=cache.empty_dir.size_limit)}
    made.add("models", source, MODELS)
    if cache.image is not None:
        made.inits.append(
            {
                "name": "models",
                "image": cache.image.reference,
                "imagePullPolicy": frame.pipeline.spec.images.pull_policy,
                "command": ["/bin/sh", "-c", f'exec cp -R "$0"/. {COPIED}/', cache.image.path],
                "resources": _helper_resources(),
                **every_container(),
                "volumeMounts": [{"name": "models", "mountPath": COPIED}],
            }
        )


def _authorities(bundle: CaBundle, image: Object, made: Mounts) -> None:
    folder = f"{RUN}/authorities"
    items = [{"key": bundle.key, "path": "ca.crt"}]
    if bundle.config_map is not None:
        source: Object = {"configMap": {"name": bundle.config_map, "items": items}}
    else:
        source = {"secret": {"secretName": bundle.secret, "defaultMode": READABLE, "items": items}}
    made.volumes.append({"name": "authorities", **source})
    trust = CA_FILE.rpartition("/")[0]
    made.add("trust", {"emptyDir": {}}, trust, read_only=True)
    made.inits.append(
        {
            "name": "trust",
            **image,
            "command": ["python", "-c", JOIN, f"{folder}/ca.crt", CA_FILE],
            "resources": _helper_resources(),
            **every_container(),
            "volumeMounts": [
                {"name": "authorities", "mountPath": folder, "readOnly": True},
                {"name": "trust", "mountPath": trust},
            ],
        }
    )
